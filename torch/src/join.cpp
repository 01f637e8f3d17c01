// SPDX-License-Identifier: Apache-2.0
#include "join.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include <ringcoll/connect.hpp>
#include <ringcoll/split.hpp>

namespace ringcoll_torch {
namespace {

class StoreAt final : public ringcoll::Store {
 public:
  explicit StoreAt(MeetingPlace& place) : place_(place) {}

  void set(std::string_view key, std::span<const std::byte> value) override { place_.set(std::string(key), value); }
  ringcoll::bootstrap::Bytes get(std::string_view key, std::chrono::nanoseconds timeout) override {
    const std::vector<std::byte> value = place_.get(std::string(key), timeout);
    return {value.begin(), value.end()};
  }

 private:
  MeetingPlace& place_;
};

}  // namespace

Joined join(MeetingPlace& place, int rank, int size, std::chrono::nanoseconds timeout, const std::string& transport) {
  StoreAt store(place);
  ringcoll::ConnectOptions options;
  options.rank = rank;
  options.size = size;
  options.store = &store;
  options.transport = transport;
  options.deadline = std::max(timeout, std::chrono::nanoseconds(std::chrono::milliseconds(1)));
  Joined joined;
  joined.comm = ringcoll::connect(options);
  std::vector<int> everybody(static_cast<std::size_t>(size));
  std::iota(everybody.begin(), everybody.end(), 0);
  constexpr std::uint64_t for_messages = 0x6d65737361676573;
  ringcoll::detail::Member& member = joined.comm.member();
  joined.messages = member.subset(ringcoll::detail::mix(member.setup().context ^ for_messages), everybody, rank);
  return joined;
}

}  // namespace ringcoll_torch
