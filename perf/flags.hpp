// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "config.hpp"

namespace perf {

/// Reads the command line. Nothing if it only asked for --help or --version, which is then on stdout.
/// Throws usage_error, naming the flag, its value and what was expected.
std::optional<Config> parse_command_line(int argc, char** argv);

}  // namespace perf
