// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>

#include "config.hpp"

// The values of flags. Each function takes the flag's name only to say it in the usage_error that it throws.

namespace perf {

/// 64, 1K, 1.5M, 2Gi, 8GB: units are powers of 1024, in any case.
std::size_t parse_size(std::string_view flag, std::string_view text);
/// Decimal, 0x… or 0b….
long long parse_integer(std::string_view flag, std::string_view text, long long lowest, long long highest);
double parse_seconds(std::string_view flag, std::string_view text);
bool parse_bool(std::string_view flag, std::string_view text);

std::vector<std::string> split_list(std::string_view text);
std::vector<std::size_t> parse_sizes(std::string_view flag, std::string_view text);
std::vector<double> parse_percentiles(std::string_view flag, std::string_view text);
/// One, or "all".
std::vector<ringcoll::DataType> parse_types(std::string_view flag, std::string_view text);
std::vector<ringcoll::OpId> parse_ops(std::string_view flag, std::string_view text);

/// The position of `text` in `names`; a type of which is an enum in the same order.
std::size_t parse_choice(std::string_view flag, std::string_view text, const std::vector<std::string_view>& names);

}  // namespace perf
