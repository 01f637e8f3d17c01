// SPDX-License-Identifier: Apache-2.0
#pragma once

// std::chrono's durations and clocks. <chrono> itself would bring streams and calendars, a fifth of what ringcoll.hpp
// costs to compile; the headers of what can wait must have the part that they take.
#include <mutex>

namespace ringcoll::inline v0::detail {

using Clock = std::chrono::steady_clock;

}  // namespace ringcoll::inline v0::detail
