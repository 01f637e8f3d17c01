// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

/// One rank's half of a message: to a peer.
///
/// steps 1 · bytes per link 1 · slots per link 1
struct SendTo {
  int peer;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 1; }
  constexpr Step operator()(int, int) const { return {.src = input(0), .to = peer}; }
};

/// The other half: from a peer.
///
/// steps 1 · bytes per link 1 · slots per link 1
struct ReceiveFrom {
  int peer;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 1; }
  constexpr Step operator()(int, int) const { return {.from = peer, .dst = output(0)}; }
};

/// A communicator of one rank: the result is the input.
struct Alone {
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 1; }
  constexpr Step operator()(int, int) const { return {.src = input(0), .dst = output(0), .complete = true}; }
};

}  // namespace ringcoll::inline v0
