// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>

#include <ringcoll/schedule/direct.hpp>
#include <ringcoll/schedule/tree.hpp>

namespace ringcoll::inline v0 {

// Floating-point sums depend on which operands meet first. `reproducible` promises one expression for each number of
// ranks, the canonical one: that of the binomial tree over the ranks, ((0+1)+(2+3))+((4+5)+6) for seven, as
// TreeAllreduce has it. Here an owner builds the same expression by itself, out of all ranks' inputs, which costs few
// phases.

namespace detail {

/// How `rank` sums one chunk that all ranks have sent to it, canonically: as a binary counter counts. Scratch piece k
/// holds the sum of 2^k neighbours; an input that completes a pair, four, … is carried up.
///
/// steps n-1 + ceil(n/2) · scratch ceil(log2 n) + 1
struct CanonicalSum {
  int size;

  constexpr int scratch_chunks() const { return ceil_log2(size) + 1; }
  constexpr int steps() const { return size - 1 + (size + 1) / 2; }
  constexpr int steps(int) const { return steps(); }

  constexpr Step operator()(int rank, int chunk, int i) const {
    const int leaf = leaf_at(i);
    if (leaf == size) return join_rest(chunk, i - steps_before(size));
    return carry(rank, chunk, leaf, i - steps_before(leaf));
  }

 private:
  static constexpr int merges_at(int leaf) { return std::countr_one(static_cast<unsigned>(leaf)); }

  /// Steps of the first `leaves` inputs: one for each merge, and one for each that is only put away.
  static constexpr int steps_before(int leaves) {
    return leaves - std::popcount(static_cast<unsigned>(leaves)) + (leaves + 1) / 2;
  }

  /// Whose input step i takes up, or size: all are taken.
  constexpr int leaf_at(int i) const {
    int low = 0, high = size;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (steps_before(middle) <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /// Merge `level` of rank `leaf`'s input. Until the last one, the sum so far lies in piece 0, which is free.
  constexpr Step carry(int rank, int chunk, int leaf, int level) const {
    const int merges = merges_at(leaf);
    const bool all = leaf == size - 1 && level == merges - 1 && std::has_single_bit(static_cast<unsigned>(size));
    const Piece sum = all ? output(chunk) : level == merges - 1 ? scratch(chunk, merges) : scratch(chunk, 0);
    if (level > 0) return {.src = scratch(chunk, level), .dst = sum, .with = scratch(chunk, 0), .complete = all};
    if (merges == 0)
      return leaf == rank ? Step{.src = input(chunk), .dst = scratch(chunk, 0)}
                          : Step{.from = leaf, .dst = scratch(chunk, 0)};
    if (leaf == rank) return {.src = scratch(chunk, 0), .dst = sum, .with = input(chunk), .complete = all};
    return {.from = leaf, .src = scratch(chunk, 0), .dst = sum, .order = Order::received_last, .complete = all};
  }

  /// Of a number of ranks that is no power of two, sums of several lengths are left: the shortest join first.
  constexpr Step join_rest(int chunk, int i) const {
    unsigned rest = static_cast<unsigned>(size);
    for (int gone = 0; gone < i; ++gone) rest &= rest - 1;
    const int right = std::countr_zero(rest), left = std::countr_zero(rest & (rest - 1));
    const bool last = std::popcount(rest) == 2;
    return {.src = scratch(chunk, left),
            .dst = last ? output(chunk) : scratch(chunk, left),
            .with = scratch(chunk, right),
            .complete = last};
  }
};

}  // namespace detail

/// steps 2n-2 + ceil(n/2) · bytes per link 1 · slots per link 1 · n >= 2 · ops need not commute
using CanonicalDirectAllreduce = DirectAllreduceBy<detail::CanonicalSum>;

/// steps 2n-2 + ceil(n/2) · bytes per link 1/n · slots per link 1 · n >= 2 · ops need not commute
using CanonicalReduceScatter = DirectReduceScatterBy<detail::CanonicalSum>;

/// steps 4n-5 + ceil(n/2) · bytes per link 2/n · slots per link 2 · n >= 2 · ops need not commute
using CanonicalTwoShotAllreduce = TwoShotAllreduceBy<detail::CanonicalSum>;

}  // namespace ringcoll::inline v0
