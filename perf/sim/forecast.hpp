// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config.hpp"

namespace perf {

/// What is predicted for one size and algorithm; time in seconds, bandwidths in GB/s.
struct Forecast {
  struct Side {
    double time = 0, algbw = 0, busbw = 0;
  };

  const ringcoll::FamilyOf* algorithm = nullptr;
  std::size_t bytes = 0, count = 0;
  Side out_of_place, in_place;
};

/// One for each size and algorithm, size by size. Throws usage_error where an algorithm does not get along with the
/// slots.
std::vector<Forecast> forecasts(const SimConfig& config);

/// nccl-tests' table, with the algorithm on the right.
std::string forecast_table(const SimConfig& config, const std::vector<Forecast>& rows);
std::string forecast_json(const SimConfig& config, const std::vector<Forecast>& rows);
/// Time and busbw over the size, a line for each algorithm.
std::string forecast_svg(const SimConfig& config, const std::vector<Forecast>& rows);

/// One call of the first algorithm, step by step, for trace viewers.
std::string trace_json(const SimConfig& config);

}  // namespace perf
