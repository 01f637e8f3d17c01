// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

// What a machine costs, as numbers. Times are nanoseconds and sizes bytes everywhere in sim/, so that 1 ns a byte is
// 1 GB/s and 8 ns a byte are 1 Gbit/s.

namespace ringcoll::inline v0::sim {

/// The links of one level: between ranks of a node, or between nodes.
struct LinkCost {
  double latency = 0;       ///< α: from the sender's last touch until the receiver can see the message
  double byte = 0;          ///< β: time of a byte on the link, which carries one message after the other
  double message = 0;       ///< CPU time of each of the two ends for a message
  double message_byte = 0;  ///< likewise for a byte: what the transport copies before or behind the kernel

  friend bool operator==(const LinkCost&, const LinkCost&) = default;
};

/// What it costs a core to touch a byte, for ranks whose buffers are `working_set` bytes together. A byte of an own
/// buffer that is read counts once; one that is written twice, since its line is fetched first; one that was just read
/// is written for one more. A byte of a message counts once at either end.
struct MemoryCost {
  double working_set = 0;
  double own = 0;   ///< a byte of the rank's buffers
  double slot = 0;  ///< a byte of a message

  friend bool operator==(const MemoryCost&, const MemoryCost&) = default;
};

/// A machine, as the simulator sees it. Plain data; defaults cost nothing and limit nothing.
struct Model {
  double call = 0;     ///< CPU time of a rank before the first step of a call
  double step = 0;     ///< CPU time of a step, whatever it does
  double combine = 0;  ///< of the op, for a byte of the result, beside touching it
  /// By rising working set. Between two of them costs are interpolated over the logarithm of the size.
  std::vector<MemoryCost> memory;

  int cores = 0;              ///< of a machine; 0: one for each rank. Its ranks are dealt out to them in turn
  int nodes_per_machine = 1;  ///< more than one where nodes are containers or virtual machines that share cores
  double switch_to = 0;       ///< time until a core that ran another rank runs this one

  double patience = 0;  ///< for which a rank that must wait keeps its core from others, looking out for its message

  LinkCost intra, inter;

  int nics = 1;          ///< rails: local rank r uses NIC r mod nics, which its node's ranks share
  double nic_byte = 0;   ///< time of a byte through a NIC, each way; 0: NICs limit nothing
  double nic_burst = 0;  ///< bytes that leave at once after a pause, as a token bucket lets them

  int nodes_per_switch = 0;     ///< 0: one switch that never blocks
  double oversubscription = 1;  ///< a switch's NICs together are so much faster than its uplink

  /// Of a rank whose buffers are so large.
  MemoryCost memory_cost(double working_set) const {
    if (memory.empty()) return {.working_set = working_set};
    const auto above = std::find_if(memory.begin(), memory.end(),
                                    [&](const MemoryCost& cost) { return cost.working_set >= working_set; });
    if (above == memory.begin()) return memory.front();
    if (above == memory.end()) return memory.back();
    const MemoryCost &low = *std::prev(above), &high = *above;
    const double part = std::log(working_set / low.working_set) / std::log(high.working_set / low.working_set);
    return {.working_set = working_set,
            .own = std::lerp(low.own, high.own, part),
            .slot = std::lerp(low.slot, high.slot, part)};
  }

  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace ringcoll::inline v0::sim
