// SPDX-License-Identifier: Apache-2.0
#include "variables.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include <ringcoll/environment.hpp>

namespace info {
namespace {

bool is_secret(std::string_view name) { return name == "RINGCOLL_SECRET"; }

/// As it may be shown; nothing if it is not set.
std::optional<std::string> value_of(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  if (is_secret(name)) return "(set, not shown)";
  std::string text;
  for (const char* c = value; *c != 0 && text.size() < 200; ++c) text += *c >= ' ' && *c <= '~' ? *c : '?';
  return text;
}

/// How many columns a text takes: UTF-8's continuation bytes take none.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, columns(text)), ' ');
}

}  // namespace

std::string variables_text() {
  constexpr std::size_t cells = 4;
  std::vector<std::vector<std::string>> rows{{"variable", "type", "default", "value", "meaning"}};
  for (const ringcoll::EnvironmentVariable& variable : ringcoll::environment_variables)
    rows.push_back(
        {variable.name, variable.type, variable.fallback, value_of(variable.name).value_or("-"), variable.meaning});
  std::size_t width[cells] = {};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < cells; ++i) width[i] = std::max(width[i], columns(row[i]));
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < cells; ++i) text += padded(row[i], width[i]) + "  ";
    text += row[cells] + "\n";
  }
  for (const std::string& sentence : ringcoll::unknown_variables()) text += "\nproblem: " + sentence + "\n";
  return text;
}

std::string variables_json() {
  nlohmann::ordered_json document;
  document["schema_version"] = 1;
  for (const ringcoll::EnvironmentVariable& variable : ringcoll::environment_variables) {
    nlohmann::ordered_json entry{{"name", variable.name},
                                 {"type", variable.type},
                                 {"default", variable.fallback},
                                 {"value", nullptr},
                                 {"meaning", variable.meaning}};
    if (const auto value = value_of(variable.name)) entry["value"] = *value;
    document["variables"].push_back(std::move(entry));
  }
  document["problems"] = ringcoll::unknown_variables();
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace info
