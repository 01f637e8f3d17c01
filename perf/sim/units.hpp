// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <ringcoll/sim/predict.hpp>

// Values of flags with units. Each function takes the flag's name only to say it in the usage_error that it throws.

namespace perf {

/// 25Gbit, 25Gbit/s, 10GB/s, 800MB/s: ns a byte. Units are powers of 1000, as vendors count.
double parse_rate(std::string_view flag, std::string_view text);
/// 200ns, 5us, 1.5ms, 2s: ns.
double parse_nanoseconds(std::string_view flag, std::string_view text);
double parse_factor(std::string_view flag, std::string_view text, double least);
/// RANK:FACTOR, or RANK:+TIME for one that is late.
ringcoll::sim::Straggler parse_straggler(std::string_view flag, std::string_view text);

}  // namespace perf
