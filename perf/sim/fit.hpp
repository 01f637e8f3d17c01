// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config.hpp"

namespace perf {

/// Reads what ringcoll_perf --csv measured on nodes as the configuration describes them, changes the model until it
/// predicts these times as well as it can, and returns that as a tuning file. Throws usage_error about the files.
std::string calibrate(const SimConfig& config);

}  // namespace perf
