// SPDX-License-Identifier: Apache-2.0
#include "units.hpp"

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "../exit_code.hpp"
#include "../parse.hpp"

namespace perf {
namespace {

[[noreturn]] void refuse(std::string_view flag, std::string_view value, std::string_view expected) {
  throw usage_error(std::string(flag) + " '" + std::string(value) + "': expected " + std::string(expected));
}

/// The number at the start of `text`, and what follows it.
bool split_number(std::string_view text, double& number, std::string_view& unit) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  return error == std::errc{} && std::isfinite(number);
}

}  // namespace

double parse_rate(std::string_view flag, std::string_view text) {
  constexpr std::string_view expected = "a bandwidth, such as 25Gbit or 10GB/s";
  double number = 0;
  std::string_view unit;
  if (!split_number(text, number, unit) || number <= 0 || unit.empty()) refuse(flag, text, expected);
  double bytes_per_ns = number * 1e-9;
  constexpr std::pair<char, double> prefixes[] = {{'k', 1e3}, {'K', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}};
  for (const auto& [prefix, scale] : prefixes) {
    if (unit[0] != prefix) continue;
    bytes_per_ns *= scale;
    unit.remove_prefix(1);
    break;
  }
  if (unit == "bit" || unit == "bit/s" || unit == "bps") bytes_per_ns /= 8;
  else if (unit != "B" && unit != "B/s") refuse(flag, text, expected);
  return 1 / bytes_per_ns;
}

double parse_nanoseconds(std::string_view flag, std::string_view text) {
  double number = 0;
  std::string_view unit;
  const bool good = split_number(text, number, unit) && number >= 0;
  constexpr std::pair<std::string_view, double> units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
  for (const auto& [name, scale] : units)
    if (good && unit == name) return number * scale;
  refuse(flag, text, "a time with its unit, such as 200ns, 5us or 1ms");
}

double parse_factor(std::string_view flag, std::string_view text, double least) {
  double number = 0;
  std::string_view rest;
  if (!split_number(text, number, rest) || !rest.empty() || number < least || number > 1e6)
    refuse(flag, text, "a number from " + std::to_string(static_cast<int>(least)) + " to 1000000, such as 2.5");
  return number;
}

ringcoll::sim::Straggler parse_straggler(std::string_view flag, std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size())
    refuse(flag, text, "RANK:FACTOR, such as 3:2.5, or RANK:+TIME, such as 3:+10us");
  ringcoll::sim::Straggler straggler;
  straggler.rank = static_cast<int>(parse_integer(flag, text.substr(0, colon), 0, 1 << 24));
  const std::string_view how = text.substr(colon + 1);
  if (how.starts_with('+')) straggler.late = parse_nanoseconds(flag, how.substr(1));
  else straggler.factor = parse_factor(flag, how, 0);
  return straggler;
}

}  // namespace perf
