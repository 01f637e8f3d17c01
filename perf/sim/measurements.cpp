// SPDX-License-Identifier: Apache-2.0
#include "measurements.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

#include "../exit_code.hpp"
#include "../parse.hpp"

namespace perf {
namespace {

class CsvReader {
 public:
  explicit CsvReader(const std::string& path) : path_(path), file_(path, std::ios::binary) {
    if (!file_) throw usage_error("--calibrate '" + path + "': expected a file that can be read");
  }

  std::vector<Measurement> read() {
    std::vector<Measurement> rows;
    while (const auto cells = next_line()) {
      if (line_ == 1) names_ = *cells;
      else rows.push_back(row(*cells));
    }
    if (rows.empty()) refuse("no measurements");
    return rows;
  }

 private:
  std::optional<std::vector<std::string>> next_line() {
    std::string text;
    if (!std::getline(file_, text)) return std::nullopt;
    ++line_;
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return split_list(text);
  }

  Measurement row(const std::vector<std::string>& cells) const {
    if (cells.size() != names_.size())
      refuse(std::to_string(cells.size()) + " columns, expected " + std::to_string(names_.size()) + " as in line 1");
    std::string op = cell(cells, "op");
    constexpr std::string_view ending = "_inplace";
    const bool in_place = op.ends_with(ending);
    if (in_place) op.resize(op.size() - ending.size());
    const auto collective = parse_collective(op);
    if (!collective) refuse("op '" + op + "': expected a collective of ringcoll_perf");
    return {.collective = *collective,
            .in_place = in_place,
            .ranks = static_cast<int>(number(cells, "ranks", 1, 1 << 20)),
            .bytes = static_cast<std::size_t>(number(cells, "bytes", 0, 1ll << 46)),
            .time = 1e3 * number(cells, "p50_us", 1e-3, 1e12)};
  }

  const std::string& cell(const std::vector<std::string>& cells, std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end())
      refuse("no column '" + std::string(name) + "': expected what ringcoll_perf --csv writes");
    return cells[static_cast<std::size_t>(found - names_.begin())];
  }
  double number(const std::vector<std::string>& cells, std::string_view name, double least, double most) const {
    const std::string& text = cell(cells, name);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most))
      refuse(std::string(name) + " '" + text + "': expected a number above 0");
    return value;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw usage_error("--calibrate " + path_ + ", line " + std::to_string(line_) + ": " + what);
  }

  const std::string path_;
  std::ifstream file_;
  std::size_t line_ = 0;
  std::vector<std::string> names_;
};

}  // namespace

std::vector<Measurement> read_measurements(const std::string& path) { return CsvReader(path).read(); }

}  // namespace perf
