// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "../collective.hpp"

namespace perf {

/// A row of ringcoll_perf --csv.
struct Measurement {
  Collective collective;
  bool in_place;
  int ranks;
  std::size_t bytes;
  double time;  ///< median, ns
};

/// Those of one file. Throws usage_error that names the line.
std::vector<Measurement> read_measurements(const std::string& path);

}  // namespace perf
