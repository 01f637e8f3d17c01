// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

/// At exchange i, ranks whose numbers add up to i (mod n) swap their chunks: everybody has one partner at a time.
///
/// A rank sends the partner's chunk before it receives into the same place, so in == out is safe.
///
/// steps 2n · bytes per link 1 chunk · slots per link 1 · any n
struct PairwiseAlltoall {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 2 * size; }
  constexpr Step operator()(int rank, int i) const {
    const int peer = wrap(i / 2 - rank, size);
    const bool sends = i % 2 == 0;
    if (peer == rank) return sends ? Step{.src = input(rank), .dst = output(rank)} : Step{};
    return sends ? Step{.src = input(peer), .to = peer} : Step{.from = peer, .dst = output(peer)};
  }
};

}  // namespace ringcoll::inline v0
