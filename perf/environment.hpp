// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config.hpp"

namespace perf {

/// Reads what the environment says, under RINGCOLL_… or else NCCL_…:
///
///   TESTS_SPLIT       AND, OR, MOD or DIV (or & | % /) and a number: the group of each rank
///   TESTS_SPLIT_MASK  hexadecimal, as AND
///   TESTS_MIN_BW      GB/s: less than 0.9 of it on average is a failure
///
/// and RINGCOLL_TRANSPORT, if no flag says more. Takes RINGCOLL_TESTS_… out of it, since the library does not know
/// them. Keeps what reports may show: RINGCOLL_* without those that hold or name secrets; all others stay private,
/// since environments hold tokens. Throws usage_error.
void read_environment(Config& config);

/// The group of `rank`.
int split_color(const Split& split, int rank);

}  // namespace perf
