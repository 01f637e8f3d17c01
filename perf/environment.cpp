// SPDX-License-Identifier: Apache-2.0
#include "environment.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "exit_code.hpp"
#include "parse.hpp"

namespace perf {
namespace {

constexpr int most = 1 << 30;

/// RINGCOLL_<name>, or else NCCL_<name>.
std::optional<Variable> find(const std::string& name) {
  for (const char* const prefix : {"RINGCOLL_", "NCCL_"})
    if (const char* const value = std::getenv((prefix + name).c_str())) return Variable{prefix + name, value};
  return std::nullopt;
}

std::optional<double> minimum_busbw() {
  const auto variable = find("TESTS_MIN_BW");
  if (!variable) return std::nullopt;
  const std::string& text = variable->value;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0))
    throw usage_error(variable->name + " '" + text + "': expected a bandwidth in GB/s, such as 12.5");
  return value;
}

Split split() {
  if (const auto mask = find("TESTS_SPLIT_MASK")) {
    const bool prefixed = mask->value.starts_with("0x") || mask->value.starts_with("0X");
    const std::string number = prefixed ? mask->value : "0x" + mask->value;
    return {'&', static_cast<int>(parse_integer(mask->name, number, 0, most))};
  }
  const auto variable = find("TESTS_SPLIT");
  if (!variable) return {};
  constexpr std::pair<std::string_view, char> words[] = {{"AND", '&'}, {"OR", '|'}, {"MOD", '%'}, {"DIV", '/'},
                                                         {"&", '&'},   {"|", '|'},  {"%", '%'},   {"/", '/'}};
  std::string text = variable->value;
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const auto& [word, sign] : words) {
    if (!text.starts_with(word)) continue;
    const std::size_t number = std::min(text.find_first_not_of(' ', word.size()), text.size());
    const bool divides = sign == '%' || sign == '/';
    return {sign, static_cast<int>(parse_integer(variable->name, text.substr(number), divides ? 1 : 0, most))};
  }
  throw usage_error(variable->name + " '" + variable->value +
                    "': expected AND, OR, MOD or DIV and a number, such as MOD 2");
}

std::vector<Variable> reportable() {
  std::vector<Variable> shown;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry, name = text.substr(0, text.find('='));
    bool secret = name.size() == text.size();
    for (const char* const word : {"SECRET", "KEY", "TOKEN", "PASSWORD"})
      secret = secret || name.find(word) != name.npos;
    if (!secret && name.starts_with("RINGCOLL_"))
      shown.push_back({std::string(name), std::string(text.substr(name.size() + 1))});
  }
  std::sort(shown.begin(), shown.end(), [](const Variable& a, const Variable& b) { return a.name < b.name; });
  return shown;
}

}  // namespace

void read_environment(Config& config) {
  config.environment = reportable();
  config.minimum_busbw = minimum_busbw();
  config.split = split();
  if (const char* const device = std::getenv("NCCL_TESTS_DEVICE"))
    config.warnings.push_back(std::string("NCCL_TESTS_DEVICE ") + device +
                              ": has no meaning for ringcoll on CPUs and is ignored");
  const bool splits = config.split.sign != '&' || config.split.number != 0;
  if (splits && !config.peers_path.empty()) throw usage_error("--peers-csv: expected without TESTS_SPLIT");
  const char* const transport = std::getenv("RINGCOLL_TRANSPORT");
  if (config.transport == "auto" && transport != nullptr && *transport != '\0') config.transport = transport;
}

int split_color(const Split& split, int rank) {
  switch (split.sign) {
    case '|': return rank | split.number;
    case '%': return rank % split.number;
    case '/': return rank / split.number;
    default: return rank & split.number;
  }
}

}  // namespace perf
