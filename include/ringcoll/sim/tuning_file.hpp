// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/error.hpp>
#include <ringcoll/sim/model.hpp>

// A Model as text: lines `key = value`, and comments that begin with #. docs/simulation.md lists the keys.

namespace ringcoll::inline v0::sim {

namespace tuning {

struct RealKey {
  std::string_view name;
  double& (*in)(Model&);
};
inline constexpr std::array real_keys{
    RealKey{"call", [](Model& m) -> double& { return m.call; }},
    RealKey{"step", [](Model& m) -> double& { return m.step; }},
    RealKey{"combine", [](Model& m) -> double& { return m.combine; }},
    RealKey{"switch", [](Model& m) -> double& { return m.switch_to; }},
    RealKey{"patience", [](Model& m) -> double& { return m.patience; }},
    RealKey{"intra.latency", [](Model& m) -> double& { return m.intra.latency; }},
    RealKey{"intra.byte", [](Model& m) -> double& { return m.intra.byte; }},
    RealKey{"intra.message", [](Model& m) -> double& { return m.intra.message; }},
    RealKey{"intra.message_byte", [](Model& m) -> double& { return m.intra.message_byte; }},
    RealKey{"inter.latency", [](Model& m) -> double& { return m.inter.latency; }},
    RealKey{"inter.byte", [](Model& m) -> double& { return m.inter.byte; }},
    RealKey{"inter.message", [](Model& m) -> double& { return m.inter.message; }},
    RealKey{"inter.message_byte", [](Model& m) -> double& { return m.inter.message_byte; }},
    RealKey{"nic.byte", [](Model& m) -> double& { return m.nic_byte; }},
    RealKey{"nic.burst", [](Model& m) -> double& { return m.nic_burst; }},
    RealKey{"oversubscription", [](Model& m) -> double& { return m.oversubscription; }},
};

struct CountKey {
  std::string_view name;
  int& (*in)(Model&);
  int least;
};
inline constexpr std::array count_keys{
    CountKey{"cores", [](Model& m) -> int& { return m.cores; }, 0},
    CountKey{"nodes_per_machine", [](Model& m) -> int& { return m.nodes_per_machine; }, 1},
    CountKey{"nics", [](Model& m) -> int& { return m.nics; }, 1},
    CountKey{"nodes_per_switch", [](Model& m) -> int& { return m.nodes_per_switch; }, 0},
};

/// Reads one file: knows the line, for what it has to say.
class TuningReader {
 public:
  TuningReader(std::string_view text, std::string_view name) : text_(text), name_(printable(name)) {}

  Model read() {
    if (text_.size() > most_bytes)
      throw Error(Errc::invalid_argument, name_ + ": " + std::to_string(text_.size()) +
                                              " bytes; a tuning file has at most " + std::to_string(most_bytes));
    while (!text_.empty()) {
      const std::size_t end = std::min(text_.find('\n'), text_.size());
      ++line_;
      read_line(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
    }
    if (!versioned_) refuse("expected 'version = 1': this is no tuning file, or one of another version");
    for (const Memory& memory : memory_) {
      line_ = memory.line;
      if (!memory.own || !memory.slot)
        refuse("memory." + std::to_string(memory.bytes) + " has no " + (memory.own ? ".slot" : ".own") +
               ": each working set needs both");
      model_.memory.push_back(memory.cost);
    }
    std::sort(model_.memory.begin(), model_.memory.end(),
              [](const MemoryCost& a, const MemoryCost& b) { return a.working_set < b.working_set; });
    return model_;
  }

 private:
  static constexpr std::size_t most_bytes = 64 << 10, most_working_sets = 64;
  static constexpr double most_cost = 1e12;  // ns

  struct Memory {
    std::uint64_t bytes;
    std::size_t line;
    MemoryCost cost;
    bool own = false, slot = false;
  };

  void read_line(std::string_view line) {
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) return;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) refuse("'" + printable(line) + "': expected 'key = value'");
    const std::string_view key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
    const std::string known(key);
    if (std::find(seen_.begin(), seen_.end(), known) != seen_.end()) refuse(printable(key) + " is given twice");
    if (key == "version") {
      if (value != "1") refuse("version '" + printable(value) + "': expected 1, which is all that this ringcoll reads");
      versioned_ = true;
    } else if (!versioned_) {
      refuse("expected 'version = 1' before all else");
    } else if (key.starts_with("memory.")) {
      read_memory(key, value);
    } else {
      read_plain(key, value);
    }
    seen_.push_back(known);
  }

  void read_plain(std::string_view key, std::string_view value) {
    for (const RealKey& real : real_keys)
      if (real.name == key) return void(real.in(model_) = cost(key, value));
    for (const CountKey& count : count_keys)
      if (count.name == key) return void(count.in(model_) = whole(key, value, count.least));
    refuse("'" + printable(key) + "' is not a key; docs/simulation.md lists them");
  }

  void read_memory(std::string_view key, std::string_view value) {
    std::string_view rest = key.substr(sizeof("memory.") - 1);
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view size = rest.substr(0, dot), which = dot < rest.size() ? rest.substr(dot + 1) : "";
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), bytes);
    const bool good = error == std::errc{} && end == size.data() + size.size() && bytes > 0 && bytes < 1ull << 50;
    if (!good || (which != "own" && which != "slot"))
      refuse("'" + printable(key) + "': expected memory.BYTES.own or memory.BYTES.slot, such as memory.65536.own");
    auto found = std::find_if(memory_.begin(), memory_.end(), [&](const Memory& m) { return m.bytes == bytes; });
    if (found == memory_.end()) {
      if (memory_.size() == most_working_sets)
        refuse("more than " + std::to_string(most_working_sets) + " working sets");
      memory_.push_back({.bytes = bytes, .line = line_, .cost = {.working_set = static_cast<double>(bytes)}});
      found = memory_.end() - 1;
    }
    bool& given = which == "own" ? found->own : found->slot;
    if (given) refuse("memory." + std::to_string(bytes) + "." + std::string(which) + " is given twice");
    given = true;
    (which == "own" ? found->cost.own : found->cost.slot) = cost(key, value);
  }

  double cost(std::string_view key, std::string_view value) const {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || !(number >= 0 && number <= most_cost))
      refuse(printable(key) + " '" + printable(value) + "': expected a number from 0 to 1e12, such as 12.5");
    return number;
  }
  int whole(std::string_view key, std::string_view value, int least) const {
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < least || number > 1 << 20)
      refuse(printable(key) + " '" + printable(value) + "': expected a whole number from " + std::to_string(least) +
             " to 1048576");
    return number;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(Errc::invalid_argument, name_ + ", line " + std::to_string(line_) + ": " + what);
  }

  static std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
    text.remove_prefix(first);
    return text.substr(0, text.find_last_not_of(blanks) + 1);
  }
  /// For messages: no more than fits a line, and nobody's escape sequences.
  static std::string printable(std::string_view text) {
    std::string plain(text.substr(0, 80));
    for (char& c : plain)
      if (c < ' ' || c > '~') c = '?';
    return text.size() > 80 ? plain + "..." : plain;
  }

  std::string_view text_;
  const std::string name_;
  std::size_t line_ = 0;
  bool versioned_ = false;
  Model model_;
  std::vector<Memory> memory_;
  std::vector<std::string> seen_;
};

/// The shortest digits that are read as the same number.
inline std::string digits(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace tuning

/// The model that a tuning file describes. `name` is for messages. What the file does not mention costs nothing.
///
/// Throws Error(invalid_argument) that names the line and what was expected there.
inline Model read_tuning(std::string_view text, std::string_view name) {
  return tuning::TuningReader(text, name).read();
}

/// A tuning file: read_tuning() of it is `model` again. `comment`: lines for its head.
inline std::string write_tuning(Model model, std::string_view comment = {}) {
  std::string text;
  while (!comment.empty()) {
    const std::size_t end = std::min(comment.find('\n'), comment.size());
    text += "# " + std::string(comment.substr(0, end)) + "\n";
    comment.remove_prefix(std::min(end + 1, comment.size()));
  }
  text += "version = 1\n# times in ns, ns a byte; docs/simulation.md says what each is\n";
  for (const tuning::RealKey& key : tuning::real_keys)
    text += std::string(key.name) + " = " + tuning::digits(key.in(model)) + "\n";
  for (const tuning::CountKey& key : tuning::count_keys)
    text += std::string(key.name) + " = " + std::to_string(key.in(model)) + "\n";
  for (const MemoryCost& cost : model.memory) {
    const std::string set = "memory." + std::to_string(static_cast<std::uint64_t>(cost.working_set));
    for (const auto& [name, value] : {std::pair(".own = ", cost.own), std::pair(".slot = ", cost.slot)})
      text += set + name + tuning::digits(value) + "\n";
  }
  return text;
}

}  // namespace ringcoll::inline v0::sim
