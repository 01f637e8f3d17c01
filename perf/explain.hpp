// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config.hpp"
#include "exit_code.hpp"
#include "world.hpp"

namespace perf {

/// --explain: for each size, every schedule that can carry the call, what the simulator predicts, what it takes, and
/// which one is chosen. All ranks call it.
ExitCode explain(const Config& config, World& world);

}  // namespace perf
