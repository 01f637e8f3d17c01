// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/launcher.hpp>

namespace ringcoll::inline v0::bootstrap {

/// How a launcher carries a short text from rank 0 to all ranks: enough to meet without an address or a secret.
struct Courier {
  const char* name;
  bool (*serves)(const Launch&);
  /// Called by all ranks; `text` is rank 0's. Returns it. At most 256 characters, without spaces.
  std::string (*broadcast)(const Launch&, std::string_view text, std::chrono::nanoseconds timeout);
};

/// The couriers of this program: those whose headers any of its files includes.
inline std::vector<Courier>& couriers() {
  static std::vector<Courier> all;
  return all;
}

/// For the initialiser of an inline variable in a courier's header: runs before main, once for the program.
inline bool add_courier(const Courier& courier) {
  couriers().push_back(courier);
  return true;
}

inline const Courier* find_courier(const Launch& launch) {
  for (const Courier& courier : couriers()) {
    if (courier.serves(launch)) return &courier;
  }
  return nullptr;
}

}  // namespace ringcoll::inline v0::bootstrap
