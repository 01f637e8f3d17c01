// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::bootstrap {

/// A transport that connect() may use between ranks of a job.
struct Carrier {
  const char* name;         ///< as RINGCOLL_TRANSPORT and --transport call it
  bool one_host;            ///< it reaches only ranks of the same host
  std::size_t frame_bytes;  ///< the longest message that suits it; it takes any shorter bound
  std::unique_ptr<AnyTransport> (*make)(std::shared_ptr<Endpoint>, std::uint64_t context, int rank,
                                        std::vector<int> members, std::size_t frame_bytes);
};

/// The carriers of this program: those whose headers any of its files includes.
inline std::vector<Carrier>& carriers() {
  static std::vector<Carrier> all;
  return all;
}

inline const Carrier* find_carrier(std::string_view name) {
  for (const Carrier& carrier : carriers())
    if (carrier.name == name) return &carrier;
  return nullptr;
}

/// For the initialiser of an inline variable in a transport's header: runs before main, once for the program.
inline bool add_carrier(const Carrier& carrier) {
  carriers().push_back(carrier);
  return true;
}

}  // namespace ringcoll::inline v0::bootstrap
