// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace info {

/// What the command line asks for.
struct Options {
  bool environment = false;  ///< --env
  bool choices = false;
  bool json = false;
  bool force = false;
  std::string load;   ///< a machine's file; empty: this node
  std::string sysfs;  ///< a copy of /sys; empty: this node
  std::string source = "auto";
  std::string check;   ///< "host:port"
  double timeout = 5;  ///< seconds
  int ranks_per_node = 0, rings = 0;
  std::vector<std::string> pictures;  ///< --topo: files to write, whose ends say in which form
};

/// Nothing if the program has only to say its help or version, which is done. Throws usage_error.
std::optional<Options> parse_command_line(int argc, char** argv);

}  // namespace info
