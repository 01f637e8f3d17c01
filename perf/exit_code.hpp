// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace perf {

/// What the program returns; the numbers are those of nccl-tests.
enum class ExitCode : int {
  ok = 0,
  internal = 1,         ///< this program, its output or a rank of it broke
  device = 2,           ///< reserved: no accelerator could be used
  ringcoll = 3,         ///< ringcoll reported an error
  timeout = 4,          ///< -T or a deadline passed
  not_implemented = 5,  ///< the collective cannot run on this number of ranks
  usage = 6,            ///< a flag or an environment variable makes no sense
  wrong = 7,            ///< results were wrong, or slower than *_TESTS_MIN_BW allows
};

/// Ends this rank's run with a sentence for the user and an exit code.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

inline Failure usage_error(const std::string& what) { return {ExitCode::usage, what}; }

}  // namespace perf
