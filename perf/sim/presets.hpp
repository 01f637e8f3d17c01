// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace perf {

/// A machine that was measured, as a tuning file.
struct Preset {
  std::string_view name, about, tuning;
};

std::span<const Preset> presets();
const Preset* find_preset(std::string_view name);

}  // namespace perf
