// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config.hpp"

namespace perf {

/// More local ranks than this are a mistyped number.
inline constexpr int max_ranks = 1024;

struct Flag {
  char letter;        ///< 0: none
  std::string name;   ///< the long form, without the dashes
  std::string value;  ///< what stands for the value in --help; empty: the flag has none
  std::string group;
  std::string help;
  void (*set)(Config& config, const std::string& flag, const std::string& value);
};

/// Every flag but --help and --version: parsing, --help and the tests go by this one table.
const std::vector<Flag>& flag_table();

/// "-b", or "--ranks" where there is no letter.
std::string display_name(const Flag& flag);

}  // namespace perf
