// SPDX-License-Identifier: Apache-2.0
#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace perf {

double Statistics::percentile(double percent) const {
  const double rank = std::ceil(percent / 100 * static_cast<double>(count) - 1e-9);  // 99.9 % of 1000 is 999
  const auto position = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(position, count - 1)];
}

Statistics statistics_of(std::span<const double> samples) {
  Statistics result;
  result.count = samples.size();
  if (samples.empty()) return result;
  result.sorted.assign(samples.begin(), samples.end());
  std::sort(result.sorted.begin(), result.sorted.end());
  const double count = static_cast<double>(samples.size());
  result.min = result.sorted.front();
  result.max = result.sorted.back();
  result.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count;
  double squares = 0;
  for (const double sample : samples) squares += (sample - result.mean) * (sample - result.mean);
  result.stdev = std::sqrt(squares / count);
  return result;
}

}  // namespace perf
