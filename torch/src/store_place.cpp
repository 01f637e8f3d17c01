// SPDX-License-Identifier: Apache-2.0
#include "store_place.hpp"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

namespace ringcoll_torch {

StorePlace::StorePlace(c10::intrusive_ptr<c10d::Store> store, int rank, int size)
    : store_(std::move(store)), rank_(rank), size_(size) {
  try {
    prefix_ = std::to_string(store_->add("ringcoll/joined/" + std::to_string(rank_), 1)) + "/";
  } catch (const std::exception& cause) {
    fail("count", cause);
  }
}

StorePlace::~StorePlace() {
  for (const std::string& key : own_keys_) {
    try {
      store_->deleteKey(key);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): a store that cannot forget is as good
    }
  }
}

void StorePlace::set(const std::string& key, std::span<const std::byte> value) {
  std::vector<std::uint8_t> bytes(value.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), value.data(), bytes.size());
  try {
    store_->set(prefix_ + key, bytes);
    own_keys_.push_back(prefix_ + key);
  } catch (const std::exception& cause) {
    fail("set " + key, cause);
  }
}

std::vector<std::byte> StorePlace::get(const std::string& key, std::chrono::nanoseconds timeout) {
  std::vector<std::byte> value;
  try {
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
    store_->wait({prefix_ + key}, std::max(patience, std::chrono::milliseconds(1)));
    const std::vector<std::uint8_t> bytes = store_->get(prefix_ + key);
    value.resize(bytes.size());
    if (!bytes.empty()) std::memcpy(value.data(), bytes.data(), bytes.size());
  } catch (const std::exception& cause) {
    fail("get " + key, cause);
  }
  return value;
}

/// Every rank sets its own key, so a key that is not there names who is missing.
void StorePlace::fail(const std::string& what, const std::exception& cause) const {
  std::string text = cause.what();
  if (const auto* error = dynamic_cast<const c10::Error*>(&cause)) text = error->what_without_backtrace();
  const std::size_t number = what.find_last_of('/');
  const std::string missing = what.starts_with("get ringcoll/below/") ? "rank " + what.substr(number + 1)
                              : what.starts_with("get ringcoll/key")  ? std::string("rank 0")
                                                                      : std::string();
  throw c10::DistStoreError(
      {__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)},
      "ringcoll: rank " + std::to_string(rank_) + " of " + std::to_string(size_) + " could not " + what +
          " in the store of its group" +
          (missing.empty() ? "" : "; " + missing + " has not come, or the store's process ended") + ": " + text);
}

}  // namespace ringcoll_torch
