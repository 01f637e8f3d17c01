// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <ringcoll/topology/graph.hpp>

#include "options.hpp"

namespace info {

struct Machine {
  ringcoll::topology::Graph graph;
  std::string source;  ///< where its description is from: "hwloc", "/sys", a file
  bool is_here = true;
};

/// The machine that the options name. Throws perf::Failure or ringcoll::Error, which name the file and the line.
Machine load_machine(const Options& options);

}  // namespace info
