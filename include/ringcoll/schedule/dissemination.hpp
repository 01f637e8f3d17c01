// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/schedule.hpp>
#include <ringcoll/schedule/tree.hpp>

namespace ringcoll::inline v0 {

/// Barrier: in phase k everybody tells the rank 2^k ahead; after the last phase it has heard, indirectly, from all.
///
/// phases ceil(log2 n) · no data · slots per link 1 · any n
struct DisseminationBarrier {
  int size;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return phases() + 1; }
  constexpr Step operator()(int rank, int i) const {
    return {.from = i == 0 ? none : wrap(rank - (1 << (i - 1)), size),
            .to = i == phases() ? none : wrap(rank + (1 << i), size)};
  }

 private:
  constexpr int phases() const { return detail::ceil_log2(size); }
};

}  // namespace ringcoll::inline v0
