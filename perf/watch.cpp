// SPDX-License-Identifier: Apache-2.0
#include "watch.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

#include <unistd.h>

#include "exit_code.hpp"

namespace perf {
namespace {

// Plain memory, since the signal handler reads it.
char stage[256] = "";
int alarm_rank = 0, alarm_seconds = 0;

class Line {
 public:
  void add(std::string_view text) {
    const std::size_t count = std::min(text.size(), sizeof text_ - size_);
    std::memcpy(text_ + size_, text.data(), count);
    size_ += count;
  }
  void add(long number) {
    const auto [end, error] = std::to_chars(text_ + size_, text_ + sizeof text_, number);
    if (error == std::errc{}) size_ = static_cast<std::size_t>(end - text_);
  }
  std::string_view text() const { return {text_, size_}; }

 private:
  char text_[512] = {};
  std::size_t size_ = 0;
};

void add_stage(Line& line) {
  line.add(stage);
  line.add(", iteration ");
  line.add(stage_iteration.load(std::memory_order_relaxed));
}

void on_alarm(int) {
  Line line;
  line.add("ringcoll_perf: rank ");
  line.add(alarm_rank);
  line.add(": no end after ");
  line.add(alarm_seconds);
  line.add(" s (-T): ");
  add_stage(line);
  line.add("\n");
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.text().data(), line.text().size());
  _exit(static_cast<int>(ExitCode::timeout));
}

}  // namespace

void set_stage(const std::string& text) {
  stage_iteration = 0;
  std::strncpy(stage, text.c_str(), sizeof stage - 1);
}

std::string current_stage() {
  if (stage[0] == '\0') return "";
  Line line;
  add_stage(line);
  return std::string(line.text());
}

Alarm::Alarm(int rank, int seconds) {
  if (seconds == 0) return;
  alarm_rank = rank;
  alarm_seconds = seconds;
  std::signal(SIGALRM, on_alarm);
  // One second for ringcoll's own deadline, which can say which rank is missing.
  alarm(static_cast<unsigned>(seconds) + 1);
}

Alarm::~Alarm() { alarm(0); }

}  // namespace perf
