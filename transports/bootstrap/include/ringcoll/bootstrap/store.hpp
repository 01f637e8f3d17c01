// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

#include <ringcoll/bootstrap/bytes.hpp>

namespace ringcoll::inline v0::bootstrap {

/// A key-value store that all ranks of the job, and only they, can reach: c10d's, Ray's, PMIx, a folder of files.
///
/// ringcoll puts the job's key and addresses there, once. Use a fresh store, or a fresh prefix, for each connect().
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  virtual void set(std::string_view key, std::span<const std::byte> value) = 0;
  /// Waits until some rank has set the key, or throws (Error(timeout), or the store's own) when `timeout` has passed.
  virtual Bytes get(std::string_view key, std::chrono::nanoseconds timeout) = 0;
};

}  // namespace ringcoll::inline v0::bootstrap
