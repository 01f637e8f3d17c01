// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace perf {

/// Of the iterations' times: each is that of the slowest rank.
struct Statistics {
  std::size_t count = 0;
  double min = 0, max = 0, mean = 0, stdev = 0;
  std::vector<double> sorted;

  /// The value that `percent` of the samples do not exceed (nearest rank, as nccl-tests). Not for an empty set.
  double percentile(double percent) const;
  /// stdev in percent of the mean.
  double variation() const { return mean > 0 ? 100 * stdev / mean : 0; }
};

Statistics statistics_of(std::span<const double> samples);

}  // namespace perf
