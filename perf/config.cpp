// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include <algorithm>

namespace perf {

std::vector<std::size_t> sizes_of(const Config& config) {
  if (config.collective == Collective::barrier) return {0};
  if (!config.sizes.empty()) return config.sizes;
  std::vector<std::size_t> sizes;
  for (std::size_t size = config.min_bytes; size <= config.max_bytes;) {
    sizes.push_back(size);
    if (config.step_factor > 1 && size > 0) {
      if (size > config.max_bytes / config.step_factor) break;  // the next one would be too large, or not a number
      size *= config.step_factor;
    } else {
      if (size > config.max_bytes - config.step_bytes || config.step_bytes == 0) break;
      size += config.step_bytes;
    }
  }
  return sizes;
}

std::size_t largest_size(const Config& config) {
  if (config.collective == Collective::barrier) return 0;
  // The last size before max_bytes may be smaller, but the warm-up has sizes of its own.
  return config.sizes.empty() ? config.max_bytes : *std::max_element(config.sizes.begin(), config.sizes.end());
}

bool wants_samples(const Config& config) {
  return config.per_iteration || !config.percentiles.empty() || config.format != Format::text ||
         !config.csv_path.empty() || !config.json_path.empty();
}

}  // namespace perf
