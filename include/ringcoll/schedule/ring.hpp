// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

/// Each chunk goes round the ring once to be summed and once more to be shared.
///
/// steps 2n-1 · bytes per link 2(n-1)/n · slots per link 2 · any n
struct RingAllreduce {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 2; }
  constexpr int steps() const { return 2 * size - 1; }
  constexpr Step operator()(int rank, int i) const {
    const int chunk = wrap(rank - 1 - i, size);
    const bool first = i == 0, last = i == steps() - 1;
    return {.from = first ? none : wrap(rank - 1, size),
            .src = i < size ? input(chunk) : Piece{},        // still summing
            .dst = i >= size - 1 ? output(chunk) : Piece{},  // the sum is complete
            .to = last ? none : wrap(rank + 1, size),
            .complete = i == size - 1};
  }
};

/// The first half of RingAllreduce: chunk r is complete at rank r, who keeps it.
///
/// steps n · bytes per link (n-1)/n · slots per link 2 · any n
struct RingReduceScatter {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 2; }
  constexpr int steps() const { return size; }
  constexpr Step operator()(int rank, int i) const {
    const int chunk = wrap(rank - 1 - i, size);
    const bool last = i == size - 1;
    return {.from = i == 0 ? none : wrap(rank - 1, size),
            .src = input(chunk),
            .dst = last ? output(chunk) : Piece{},
            .to = last ? none : wrap(rank + 1, size),
            .complete = last};
  }
};

/// The second half: each rank's chunk goes round once, everybody keeps a copy.
///
/// steps n · bytes per link (n-1)/n · slots per link 2 · any n
struct RingAllgather {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 2; }
  constexpr int steps() const { return size; }
  constexpr Step operator()(int rank, int i) const {
    const int chunk = wrap(rank - i, size);
    return {.from = i == 0 ? none : wrap(rank - 1, size),
            .src = i == 0 ? input(chunk) : Piece{},
            .dst = output(chunk),
            .to = i == size - 1 ? none : wrap(rank + 1, size)};
  }
};

}  // namespace ringcoll::inline v0
