// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>

#include <ringcoll/schedule.hpp>
#include <ringcoll/schedule/tree.hpp>

namespace ringcoll::inline v0 {

// Floating-point sums depend on which operands meet first. `reproducible` promises one expression for each number of
// ranks, the canonical one: that of the binomial tree over the ranks, ((0+1)+(2+3))+((4+5)+6) for seven, as TreeAllreduce
// has it. Here an owner builds the same expression by itself, out of all ranks' inputs, which costs few phases.

namespace detail {

/// How `rank` sums one chunk that all ranks have sent to it, canonically: as a binary counter counts. Scratch piece k
/// holds the sum of 2^k neighbours; an input that completes a pair, four, … is carried up.
///
/// steps n-1 + ceil(n/2) · scratch ceil(log2 n) + 1
struct CanonicalSum {
  int size;

  constexpr int scratch_chunks() const { return ceil_log2(size) + 1; }
  constexpr int steps() const { return size - 1 + (size + 1) / 2; }

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

/// DirectAllreduce with the canonical expression.
///
/// steps n-1 + n-1 + ceil(n/2) · bytes per link 1 · slots per link 1 · n >= 2 · ops need not commute
struct CanonicalDirectAllreduce {
  int size;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return detail::CanonicalSum{size}.scratch_chunks(); }
  constexpr int steps() const { return size - 1 + detail::CanonicalSum{size}.steps(); }
  constexpr Step operator()(int rank, int i) const {
    if (i < size - 1) return {.src = input(0), .to = wrap(rank + 1 + i, size)};
    return detail::CanonicalSum{size}(rank, 0, i - (size - 1));
  }
};

/// DirectReduceScatter with the canonical expression.
///
/// steps n-1 + n-1 + ceil(n/2) · bytes per link 1/n · slots per link 1 · n >= 2 · ops need not commute
struct CanonicalReduceScatter {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return detail::CanonicalSum{size}.scratch_chunks(); }
  constexpr int steps() const { return size - 1 + detail::CanonicalSum{size}.steps(); }
  constexpr Step operator()(int rank, int i) const {
    if (i >= size - 1) return detail::CanonicalSum{size}(rank, rank, i - (size - 1));
    const int peer = wrap(rank + 1 + i, size);
    return {.src = input(peer), .to = peer};
  }
};

/// TwoShotAllreduce with the canonical expression: CanonicalReduceScatter, then everybody sends its finished chunk to
/// everybody.
///
/// steps 4n-5 + ceil(n/2) · bytes per link 2/n · slots per link 2 · n >= 2 · ops need not commute
struct CanonicalTwoShotAllreduce {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 2; }
  constexpr int scratch_chunks() const { return detail::CanonicalSum{size}.scratch_chunks(); }
  constexpr int steps() const { return reduce_scatter().steps() + 2 * size - 3; }
  constexpr Step operator()(int rank, int i) const {
    const int reduced = reduce_scatter().steps();
    if (i < reduced) {
      Step step = reduce_scatter()(rank, i);
      if (i == reduced - 1) step.to = wrap(rank + 1, size);  // the finished chunk leaves in the same pass
      return step;
    }
    const int j = i - reduced;
    if (j < size - 2) return {.src = output(rank), .to = wrap(rank + 2 + j, size)};
    const int peer = wrap(rank - (j - (size - 2) + 1), size);
    return {.from = peer, .dst = output(peer)};
  }

 private:
  constexpr CanonicalReduceScatter reduce_scatter() const { return {size}; }
};

}  // namespace ringcoll::inline v0
