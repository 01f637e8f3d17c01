// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "config.hpp"
#include "world.hpp"

// Measures as a harness for other libraries does (Open MPI, MPICH, Gloo), so that the numbers stand side by side:
// one pair of buffers that nothing touches between calls, fp32 sums; a barrier through memory that the forked ranks
// share, not through the measured library, starts each iteration; an iteration takes as long as its slowest rank;
// as many iterations as fit the budget; bandwidths are those of the median; the result of a call before and one after
// the timed ones is checked.

namespace perf {

inline constexpr char peers_columns[] =
    "peer,transport,op,ranks,bytes,iters,p50_us,p99_us,min_us,algbw_GBs,busbw_GBs,wrong";

inline constexpr int max_peers_ranks = 64;

/// What the ranks share. Made before they are forked.
class PeersMemory;
PeersMemory* share_peers_memory();

/// Every rank calls it. Returns how many elements were wrong, over all ranks and rows.
std::uint64_t run_peers(const Config& config, World& world, PeersMemory& shared);

}  // namespace perf
