// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <ringcoll/error.hpp>
#include <ringcoll/schedule.hpp>
#include <ringcoll/schedule/direct.hpp>
#include <ringcoll/schedule/dissemination.hpp>
#include <ringcoll/schedule/pairwise.hpp>
#include <ringcoll/schedule/point_to_point.hpp>
#include <ringcoll/schedule/recursive_doubling.hpp>
#include <ringcoll/schedule/ring.hpp>
#include <ringcoll/schedule/tree.hpp>
#include <ringcoll/signature.hpp>

namespace ringcoll::inline v0 {

/// What the choice of a schedule depends on: the same on all ranks, or they would choose differently.
struct Question {
  Collective collective = Collective::barrier;
  int size = 1;
  int root = 0;
  std::size_t bytes = 0;        ///< of the whole: what allreduce sums, what allgather ends with
  bool commutative = true;      ///< the op's operands may change places
  bool one_host = true;         ///< every link is memory
  std::size_t frame_bytes = 0;  ///< the transport's longest message
  int slots = 2;                ///< the transport's messages under way on one link
};

/// How a call is carried out.
struct Choice {
  AnySchedule schedule;
  std::uint8_t id = 0;          ///< travels in the signature
  std::size_t frame_bytes = 0;  ///< longest message
  std::size_t window = 1;       ///< rounds that take each step together

  friend bool operator==(const Choice& a, const Choice& b) {
    return a.id == b.id && a.frame_bytes == b.frame_bytes && a.window == b.window;
  }
};

/// The sizes at which one schedule overtakes another. Plain data; replace it to tune.
struct Tuning {
  std::size_t one_shot_bytes;  ///< allreduce below this sends whole sums, from it on parts
  std::size_t chain_bytes;     ///< broadcast from this on goes down a chain
  std::size_t direct_ranks;    ///< up to so many ranks everybody talks to everybody

  friend bool operator==(const Tuning&, const Tuning&) = default;
};

/// Estimates, not measured: where phases should stop mattering more than bytes (docs/selection.md says how to find
/// out).
inline constexpr Tuning tuning_one_host{.one_shot_bytes = 4096, .chain_bytes = 1 << 20, .direct_ranks = 16};
inline constexpr Tuning tuning_network{.one_shot_bytes = 16384, .chain_bytes = 1 << 20, .direct_ranks = 8};

namespace detail {

enum class Family : std::uint8_t {
  automatic,
  alone,
  direct,
  two_shot,
  ring,
  recursive_doubling,
  tree,
  chain,
  pairwise
};

/// RINGCOLL_ALGO: a family for allreduce, for experiments; the same on all ranks.
inline Family wished_family() {
  static const Family wished = [] {
    const char* const text = std::getenv("RINGCOLL_ALGO");
    const std::string_view wish = text ? text : "auto";
    if (wish == "auto" || wish.empty()) return Family::automatic;
    if (wish == "direct") return Family::direct;
    if (wish == "two_shot") return Family::two_shot;
    if (wish == "ring") return Family::ring;
    if (wish == "recursive_doubling") return Family::recursive_doubling;
    if (wish == "tree") return Family::tree;
    throw Error(Errc::invalid_argument, "RINGCOLL_ALGO=" + std::string(wish) +
                                            " is not an algorithm; it may be auto, direct, two_shot, ring, "
                                            "recursive_doubling or tree");
  }();
  return wished;
}

template <Schedule S>
Choice choice(const S& schedule, const char* name, Family family, const Question& q) {
  Choice c{
      .schedule = AnySchedule(schedule, name), .id = static_cast<std::uint8_t>(family), .frame_bytes = q.frame_bytes};
  const auto fit = static_cast<std::size_t>(q.slots / c.schedule.slots());
  c.window = fit < 1 ? 1 : fit < 4 ? fit : 4;
  return c;
}

inline Choice choose_allreduce(const Question& q, const Tuning& t) {
  Family family = wished_family();
  if (family == Family::automatic) {
    const bool few = static_cast<std::size_t>(q.size) <= t.direct_ranks;
    if (q.bytes <= t.one_shot_bytes) family = few ? Family::direct : Family::recursive_doubling;
    else if (few && q.one_host) family = Family::two_shot;
    else family = q.commutative ? Family::ring : Family::tree;
  }
  if (family == Family::ring && !q.commutative) family = Family::tree;
  if ((family == Family::direct || family == Family::two_shot) && q.size > direct_limit)
    family = Family::recursive_doubling;
  switch (family) {
    case Family::direct: return choice(DirectAllreduce{q.size}, "direct", family, q);
    case Family::two_shot: return choice(TwoShotAllreduce{q.size}, "two_shot", family, q);
    case Family::recursive_doubling: return choice(RecursiveDoublingAllreduce{q.size}, "recursive_doubling", family, q);
    case Family::tree: return choice(TreeAllreduce{q.size}, "tree", family, q);
    default: return choice(RingAllreduce{q.size}, "ring", Family::ring, q);
  }
}

}  // namespace detail

/// The schedule for a call. Pure: the same question has the same answer on every rank.
inline Choice choose(const Question& q) {
  using detail::choice, detail::Family;
  const Tuning& t = q.one_host ? tuning_one_host : tuning_network;
  const bool few = static_cast<std::size_t>(q.size) <= t.direct_ranks;
  if (q.size == 1 && q.collective != Collective::point_to_point) return choice(Alone{}, "alone", Family::alone, q);
  switch (q.collective) {
    case Collective::allreduce: return detail::choose_allreduce(q, t);
    case Collective::reduce_scatter:
      if (few || !q.commutative) return choice(DirectReduceScatter{q.size}, "direct", Family::direct, q);
      return choice(RingReduceScatter{q.size}, "ring", Family::ring, q);
    case Collective::allgather:
    case Collective::split:  // everybody's color and key
      if (few) return choice(DirectAllgather{q.size}, "direct", Family::direct, q);
      return choice(RingAllgather{q.size}, "ring", Family::ring, q);
    case Collective::broadcast:
      if (q.bytes >= t.chain_bytes) return choice(ChainBroadcast{q.size, q.root}, "chain", Family::chain, q);
      return choice(BinomialBroadcast{q.size, q.root}, "tree", Family::tree, q);
    case Collective::reduce:
      return choice(BinomialReduce{q.size, q.root, q.commutative ? q.root : 0}, "tree", Family::tree, q);
    case Collective::gather: return choice(DirectGather{q.size, q.root}, "direct", Family::direct, q);
    case Collective::scatter: return choice(DirectScatter{q.size, q.root}, "direct", Family::direct, q);
    case Collective::alltoall: return choice(PairwiseAlltoall{q.size}, "pairwise", Family::pairwise, q);
    case Collective::barrier: return choice(DisseminationBarrier{q.size}, "dissemination", Family::tree, q);
    case Collective::point_to_point: break;
  }
  return {};
}

}  // namespace ringcoll::inline v0
