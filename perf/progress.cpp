// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <cmath>
#include <cstdio>

#include <unistd.h>

namespace perf {

Progress::Progress(bool shown, double total_work) : shown_(shown && isatty(STDERR_FILENO) == 1), total_(total_work) {}

void Progress::show(const std::string& what, long iteration, long iterations) {
  const auto now = Clock::now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  visible_ = true;
  dprintf(STDERR_FILENO, "\r\033[K%s  %ld/%ld  %s", what.c_str(), iteration, iterations, time_left().c_str());
}

void Progress::clear() {
  if (!visible_) return;
  visible_ = false;
  last_ = {};
  dprintf(STDERR_FILENO, "\r\033[K");
}

std::string Progress::time_left() const {
  if (done_ <= 0 || total_ <= 0) return "";
  const double elapsed = std::chrono::duration<double>(Clock::now() - started_).count();
  const long seconds = std::lround(elapsed * (total_ - done_) / done_);
  char text[40];
  std::snprintf(text, sizeof text, "%ld:%02ld left", seconds / 60, seconds % 60);
  return text;
}

}  // namespace perf
