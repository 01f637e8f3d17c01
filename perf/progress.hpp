// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace perf {

/// One line on standard error that is written over and over, if that is a terminal; nothing otherwise.
class Progress {
 public:
  explicit Progress(bool shown, double total_work);
  ~Progress() { clear(); }

  bool shown() const { return shown_; }
  /// At most ten times a second.
  void show(const std::string& what, long iteration, long iterations);
  /// So much of the total has been done.
  void done(double work) { done_ += work; }
  /// Before anything else is written to the terminal.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string time_left() const;

  bool shown_, visible_ = false;
  double total_, done_ = 0;
  Clock::time_point started_ = Clock::now(), last_{};
};

}  // namespace perf
