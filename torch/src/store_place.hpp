// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "join.hpp"

namespace ringcoll_torch {

/// The c10d store that a group was given.
///
/// Each rank counts in the store how often it has joined under this prefix, and uses keys with that number: a store may
/// serve the same group again after it was destroyed. What this rank has set is removed when the place is left.
class StorePlace final : public MeetingPlace {
 public:
  StorePlace(c10::intrusive_ptr<c10d::Store> store, int rank, int size);
  ~StorePlace() override;

  void set(const std::string& key, std::span<const std::byte> value) override;
  std::vector<std::byte> get(const std::string& key, std::chrono::nanoseconds timeout) override;

 private:
  [[noreturn]] void fail(const std::string& what, const std::exception& cause) const;

  c10::intrusive_ptr<c10d::Store> store_;
  int rank_, size_;
  std::string prefix_;
  std::vector<std::string> own_keys_;
};

}  // namespace ringcoll_torch
