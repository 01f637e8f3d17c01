// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string>

// What this rank is doing, for the sentence of an error or a timeout.

namespace perf {

/// "allreduce float sum, 1048576 bytes, in place, check"; the iteration starts at 0 again.
void set_stage(const std::string& text);
inline std::atomic<long> stage_iteration{0};
/// The stage and its iteration; empty before the first one.
std::string current_stage();

/// While it lives, the process ends with ExitCode::timeout and a sentence when the seconds have passed; 0: never.
class Alarm {
 public:
  Alarm(int rank, int seconds);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
};

}  // namespace perf
