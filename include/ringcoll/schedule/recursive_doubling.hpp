// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

/// Whole sums are exchanged between ranks 1, 2, 4, … apart: the fewest phases that few links a rank allow.
///
/// With n not a power of two, the first 2e ranks (e = n minus the power below) pair up: the odd one gives its input to
/// the even one and gets the result at the end. Sums stay contiguous in rank order, so ops need not commute.
///
/// phases log2 n, +2 if n is no power of two · bytes per link and phase 1 · slots per link 1 · any n
struct RecursiveDoublingAllreduce {
  int size;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return 1; }
  constexpr int steps() const { return phases() + 1 + (extras() > 0 ? 1 : 0); }

  constexpr Step operator()(int rank, int i) const {
    if (size == 1) return {.src = input(0), .dst = output(0), .complete = true};
    const bool paired = rank < 2 * extras();
    if (paired && rank % 2 == 1) {
      if (i == 0) return {.src = input(0), .to = rank - 1};
      if (i == 1) return {.from = rank - 1, .dst = output(0)};
      return {};
    }
    if (!paired) ++i;  // the first step is that of the pairs
    const int id = paired ? rank / 2 : rank - extras();
    // Paired: step 0 takes the odd rank's input. Others start by sending their own to the first partner.
    const int phase = i - 2;  // the exchange that this step completes; below 0: none yet
    if (paired && i == 0)
      return {.from = rank + 1,
              .src = input(0),
              .dst = phases() == 0 ? output(0) : scratch(0),
              .to = phases() == 0 ? rank + 1 : partner(id, 0),
              .order = Order::received_last,
              .complete = phases() == 0};
    if (paired) return exchange(rank, id, i - 1, scratch(0), rank + 1);
    if (phase < 0) return {.src = input(0), .to = partner(id, 0)};
    return exchange(rank, id, phase, input(0), none);
  }

 private:
  constexpr int active() const { return static_cast<int>(std::bit_floor(static_cast<unsigned>(size))); }
  constexpr int extras() const { return size - active(); }
  constexpr int phases() const { return std::countr_zero(static_cast<unsigned>(active())); }
  constexpr int rank_of(int id) const { return id < extras() ? 2 * id : id + extras(); }
  constexpr int partner(int id, int phase) const { return rank_of(id ^ (1 << phase)); }

  /// Takes the partner's sum of `phase` and sends the new one on: to the next partner, or to `odd` at the end.
  constexpr Step exchange(int rank, int id, int phase, Piece first, int odd) const {
    if (phase >= phases()) return {};
    const bool last = phase == phases() - 1;
    const int from = partner(id, phase);
    return {.from = from,
            .src = phase == 0 ? first : scratch(0),
            .dst = last ? output(0) : scratch(0),
            .to = last ? odd : partner(id, phase + 1),
            .order = from < rank ? Order::received_first : Order::received_last,
            .complete = last};
  }
};

}  // namespace ringcoll::inline v0
