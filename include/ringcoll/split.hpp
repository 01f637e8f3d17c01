// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <vector>

#include <ringcoll/allgather.hpp>

namespace ringcoll::inline v0 {

namespace detail {

/// SplitMix64: a few dependent bits in, 64 well-mixed ones out.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace detail

inline Communicator Communicator::split(int color, int key) const {
  struct Wish {
    std::int32_t color, key, rank;
  };
  if (color < 0 && color != none)
    detail::throw_invalid(Collective::split,
                          "color " + std::to_string(color) + " is negative; use 0 and above, or none");
  detail::Member& member = this->member();
  std::vector<Wish> wishes(static_cast<std::size_t>(size()));
  const Wish own{color, key, rank()};
  detail::Request request = detail::allgather_request<std::byte>(*this, std::as_bytes(std::span(&own, 1)),
                                                                 std::as_writable_bytes(std::span(wishes)));
  request.collective = Collective::split;  // no other rank's allgather will do
  detail::run(*this, request, {});
  const std::uint64_t number = member.next_split();
  if (color == none) return {};

  std::size_t count = 0;
  for (const Wish& wish : wishes)
    if (wish.color == color) wishes[count++] = wish;
  wishes.resize(count);
  // qsort: std::sort would cost every file that includes this a tenth of a second.
  std::qsort(wishes.data(), count, sizeof(Wish), [](const void* left, const void* right) {
    const Wish &a = *static_cast<const Wish*>(left), &b = *static_cast<const Wish*>(right);
    return a.key != b.key ? (a.key < b.key ? -1 : 1) : a.rank - b.rank;
  });
  Setup setup = member.setup();
  setup.context = detail::mix(detail::mix(detail::mix(setup.context) + number) + static_cast<std::uint64_t>(color));
  std::vector<int> members;
  std::vector<std::uint64_t> nodes;
  int new_rank = 0;
  for (const Wish& wish : wishes) {
    nodes.push_back(static_cast<std::uint64_t>(member.placement().node(wish.rank)));
    if (wish.rank == rank()) new_rank = static_cast<int>(members.size());
    members.push_back(wish.rank);
  }
  setup.placement = std::make_shared<Placement>(nodes);
  if (setup.selector) setup.selector = setup.selector->fresh();
  return Communicator(new_rank, static_cast<int>(members.size()), member.subset(setup.context, members, new_rank),
                      setup);
}

}  // namespace ringcoll::inline v0
