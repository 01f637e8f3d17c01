// SPDX-License-Identifier: Apache-2.0
#include "parse.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "exit_code.hpp"

namespace perf {
namespace {

[[noreturn]] void refuse(std::string_view flag, std::string_view value, std::string_view expected) {
  throw usage_error(std::string(flag) + " '" + std::string(value) + "': expected " + std::string(expected));
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

/// The number at the start of `text`, and what follows it.
bool split_number(std::string_view text, double& number, std::string_view& rest) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number)) return false;
  rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return true;
}

struct TypeName {
  ringcoll::DataType type;
  std::string_view other_name;
};

// In the order in which nccl-tests goes through them.
constexpr TypeName type_names[] = {
    {ringcoll::DataType::int8, "char"},
    {ringcoll::DataType::uint8, "byte"},
    {ringcoll::DataType::int32, "int"},
    {ringcoll::DataType::uint32, "unsigned"},
    {ringcoll::DataType::int64, "long"},
    {ringcoll::DataType::uint64, "unsigned_long"},
    {ringcoll::DataType::float16, "float16"},
    {ringcoll::DataType::float32, "float32"},
    {ringcoll::DataType::float64, "float64"},
    {ringcoll::DataType::bfloat16, "bf16"},
    {ringcoll::DataType::float8_e4m3, "float8_e4m3"},
    {ringcoll::DataType::float8_e5m2, "float8_e5m2"},
};

constexpr ringcoll::OpId op_ids[] = {ringcoll::OpId::sum, ringcoll::OpId::prod, ringcoll::OpId::max,
                                     ringcoll::OpId::min, ringcoll::OpId::avg,  ringcoll::OpId::premul_sum};

}  // namespace

std::size_t parse_size(std::string_view flag, std::string_view text) {
  constexpr std::string_view expected = "a size in bytes, such as 64, 1K, 1.5M or 2G";
  double number = 0;
  std::string_view rest;
  if (!split_number(text, number, rest) || number < 0) refuse(flag, text, expected);
  const std::string unit = lower(rest);
  double scale = 1;
  for (const std::string_view ending : {"", "i", "b", "ib"}) {
    if (unit == std::string("k").append(ending)) scale = 0x1p10;
    if (unit == std::string("m").append(ending)) scale = 0x1p20;
    if (unit == std::string("g").append(ending)) scale = 0x1p30;
    if (unit == std::string("t").append(ending)) scale = 0x1p40;
  }
  if (scale == 1 && !unit.empty() && unit != "b") refuse(flag, text, expected);
  if (number * scale > 0x1p50) refuse(flag, text, "at most 1024T");
  return static_cast<std::size_t>(number * scale);
}

long long parse_integer(std::string_view flag, std::string_view text, long long lowest, long long highest) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) base = 16;
  if (digits.starts_with("0b") || digits.starts_with("0B")) base = 2;
  if (base != 10) digits.remove_prefix(2);
  long long value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size() && !digits.starts_with('-');
  if (negative) value = -value;
  if (!whole || value < lowest || value > highest) {
    const bool open = highest >= std::numeric_limits<int>::max();
    refuse(flag, text,
           open ? "a whole number of " + std::to_string(lowest) + " or more"
                : "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value;
}

double parse_seconds(std::string_view flag, std::string_view text) {
  double number = 0;
  std::string_view rest;
  double scale = 1;
  if (!split_number(text, number, rest) || number <= 0) refuse(flag, text, "a time, such as 2, 0.5s or 250ms");
  if (rest == "ms") scale = 1e-3;
  else if (rest == "us") scale = 1e-6;
  else if (rest == "m" || rest == "min") scale = 60;
  else if (!rest.empty() && rest != "s") refuse(flag, text, "a time, such as 2, 0.5s or 250ms");
  return number * scale;
}

bool parse_bool(std::string_view flag, std::string_view text) { return parse_integer(flag, text, 0, 1) == 1; }

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    const std::size_t comma = text.find(',');
    items.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::size_t> parse_sizes(std::string_view flag, std::string_view text) {
  std::vector<std::size_t> sizes;
  for (const std::string& item : split_list(text)) sizes.push_back(parse_size(flag, item));
  return sizes;
}

std::vector<double> parse_percentiles(std::string_view flag, std::string_view text) {
  std::vector<double> percentiles;
  for (const std::string& item : split_list(text)) {
    double number = -1;
    std::string_view rest;
    if (!split_number(item, number, rest) || !rest.empty() || number < 0 || number > 100)
      refuse(flag, item, "numbers from 0 to 100, such as 50,95,99.9");
    percentiles.push_back(number);
  }
  return percentiles;
}

std::vector<ringcoll::DataType> parse_types(std::string_view flag, std::string_view text) {
  const std::string wanted = lower(text);
  std::vector<ringcoll::DataType> types;
  std::vector<std::string_view> names;
  for (const TypeName& entry : type_names) {
    names.push_back(name(entry.type));
    if (wanted == "all" || wanted == name(entry.type) || wanted == entry.other_name) types.push_back(entry.type);
  }
  if (types.empty()) refuse(flag, text, "one of " + joined(names) + ", all");
  return types;
}

std::vector<ringcoll::OpId> parse_ops(std::string_view flag, std::string_view text) {
  const std::string wanted = lower(text);
  std::vector<ringcoll::OpId> ops;
  std::vector<std::string_view> names;
  for (const ringcoll::OpId op : op_ids) {
    names.push_back(name(op));
    if (wanted == "all" || wanted == name(op)) ops.push_back(op);
  }
  if (ops.empty()) refuse(flag, text, "one of " + joined(names) + ", all");
  return ops;
}

std::size_t parse_choice(std::string_view flag, std::string_view text, const std::vector<std::string_view>& names) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) refuse(flag, text, "one of " + joined(names));
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace perf
