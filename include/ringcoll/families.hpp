// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ringcoll/question.hpp>
#include <ringcoll/schedule.hpp>
#include <ringcoll/schedule/canonical.hpp>
#include <ringcoll/schedule/direct.hpp>
#include <ringcoll/schedule/dissemination.hpp>
#include <ringcoll/schedule/pairwise.hpp>
#include <ringcoll/schedule/point_to_point.hpp>
#include <ringcoll/schedule/recursive_doubling.hpp>
#include <ringcoll/schedule/ring.hpp>
#include <ringcoll/schedule/tree.hpp>

namespace ringcoll::inline v0 {

/// What travels in a call's signature: ranks that chose differently find out. Numbers are never given anew.
enum class Family : std::uint8_t {
  automatic = 0,
  alone = 1,
  direct = 2,
  two_shot = 3,
  ring = 4,
  recursive_doubling = 5,
  tree = 6,
  chain = 7,
  pairwise = 8,
  dissemination = 9,
  canonical_direct = 10,
  canonical_two_shot = 11,
};

/// One way to carry out a collective. A new schedule is one line in `families`.
struct FamilyOf {
  Collective collective;
  Family family;
  const char* name;  ///< as RINGCOLL_ALGO and Options::schedule have it
  /// Whether it is right for the question, and sane: e.g. not everybody to everybody among thousands.
  bool (*fits)(const Question&);
  AnySchedule (*make)(const Question&);
  bool canonical = false;  ///< sums by the one expression that `reproducible` promises
};

namespace detail {

inline constexpr auto any_question = [](const Question&) { return true; };
inline constexpr auto few_ranks = [](const Question& q) { return q.size <= direct_limit; };
inline constexpr auto commutes = [](const Question& q) { return q.commutative; };

}  // namespace detail

// The first one of a collective fits every question.
inline constexpr FamilyOf families[] = {
    {Collective::allreduce, Family::tree, "tree", detail::any_question,
     [](const Question& q) { return AnySchedule(TreeAllreduce{q.size}, "tree"); }, true},
    {Collective::allreduce, Family::direct, "direct", detail::few_ranks,
     [](const Question& q) { return AnySchedule(DirectAllreduce{q.size}, "direct"); }},
    {Collective::allreduce, Family::two_shot, "two_shot", detail::few_ranks,
     [](const Question& q) { return AnySchedule(TwoShotAllreduce{q.size}, "two_shot"); }},
    {Collective::allreduce, Family::recursive_doubling, "recursive_doubling", detail::any_question,
     [](const Question& q) { return AnySchedule(RecursiveDoublingAllreduce{q.size}, "recursive_doubling"); }},
    {Collective::allreduce, Family::ring, "ring", detail::commutes,
     [](const Question& q) { return AnySchedule(RingAllreduce{q.size}, "ring"); }},

    {Collective::allreduce, Family::canonical_direct, "canonical_direct", detail::few_ranks,
     [](const Question& q) { return AnySchedule(CanonicalDirectAllreduce{q.size}, "canonical_direct"); }, true},
    {Collective::allreduce, Family::canonical_two_shot, "canonical_two_shot", detail::few_ranks,
     [](const Question& q) { return AnySchedule(CanonicalTwoShotAllreduce{q.size}, "canonical_two_shot"); }, true},

    {Collective::reduce_scatter, Family::direct, "direct", detail::any_question,
     [](const Question& q) { return AnySchedule(DirectReduceScatter{q.size}, "direct"); }},
    {Collective::reduce_scatter, Family::ring, "ring", detail::commutes,
     [](const Question& q) { return AnySchedule(RingReduceScatter{q.size}, "ring"); }},

    {Collective::reduce_scatter, Family::canonical_direct, "canonical_direct", detail::any_question,
     [](const Question& q) { return AnySchedule(CanonicalReduceScatter{q.size}, "canonical_direct"); }, true},

    {Collective::allgather, Family::ring, "ring", detail::any_question,
     [](const Question& q) { return AnySchedule(RingAllgather{q.size}, "ring"); }},
    {Collective::allgather, Family::direct, "direct", detail::few_ranks,
     [](const Question& q) { return AnySchedule(DirectAllgather{q.size}, "direct"); }},

    {Collective::broadcast, Family::tree, "tree", detail::any_question,
     [](const Question& q) { return AnySchedule(BinomialBroadcast{q.size, q.root}, "tree"); }},
    {Collective::broadcast, Family::chain, "chain", detail::any_question,
     [](const Question& q) { return AnySchedule(ChainBroadcast{q.size, q.root}, "chain"); }},

    {Collective::reduce, Family::tree, "tree", detail::any_question,
     [](const Question& q) {
       // The order of operands, or the expression, is that of the tree whose top is rank 0.
       const int top = q.commutative && !q.reproducible ? q.root : 0;
       return AnySchedule(BinomialReduce{q.size, q.root, top}, "tree");
     },
     true},
    {Collective::gather, Family::direct, "direct", detail::any_question,
     [](const Question& q) { return AnySchedule(DirectGather{q.size, q.root}, "direct"); }},
    {Collective::scatter, Family::direct, "direct", detail::any_question,
     [](const Question& q) { return AnySchedule(DirectScatter{q.size, q.root}, "direct"); }},
    {Collective::alltoall, Family::pairwise, "pairwise", detail::any_question,
     [](const Question& q) { return AnySchedule(PairwiseAlltoall{q.size}, "pairwise"); }},
    {Collective::barrier, Family::dissemination, "dissemination", detail::any_question,
     [](const Question& q) { return AnySchedule(DisseminationBarrier{q.size}, "dissemination"); }},
};

namespace detail {

/// A split gathers everybody's color and key.
constexpr Collective schedule_collective(Collective collective) {
  return collective == Collective::split ? Collective::allgather : collective;
}

/// Whether `f` can answer the question.
inline bool answers(const FamilyOf& f, const Question& q) {
  const bool sums = q.collective == Collective::allreduce || q.collective == Collective::reduce_scatter ||
                    q.collective == Collective::reduce;
  if (f.collective != schedule_collective(q.collective) || !f.fits(q)) return false;
  if (q.reproducible && sums && !f.canonical) return false;
  const auto parts = static_cast<std::size_t>(f.make(q).most_parts());
  return parts == 1 || parts * q.element_bytes <= q.frame_bytes;  // a single piece too long is the call's fault
}

/// Calls visit(family) for each that can answer the question.
template <class Visit>
void for_candidates(const Question& q, Visit&& visit) {
  for (const FamilyOf& f : families)
    if (answers(f, q)) visit(f);
}

/// "tree, direct or ring": what can answer the question.
inline std::string candidate_names(const Question& q) {
  std::string names;
  for_candidates(q, [&](const FamilyOf& f) { names += (names.empty() ? "" : ", ") + std::string(f.name); });
  return names;
}

}  // namespace detail
}  // namespace ringcoll::inline v0
