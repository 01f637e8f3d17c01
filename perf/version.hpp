// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <ringcoll/version.hpp>

namespace perf {

inline std::string version_string() {
  return std::to_string(RINGCOLL_VERSION_MAJOR) + "." + std::to_string(RINGCOLL_VERSION_MINOR) + "." +
         std::to_string(RINGCOLL_VERSION_PATCH);
}

}  // namespace perf
