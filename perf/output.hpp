// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace perf {

/// Standard output, or a file that appears under its name only when it is complete.
class Output {
 public:
  /// "-" is standard output. Throws usage_error if the file exists and may not be overwritten, or cannot be made.
  Output(const std::string& path, bool overwrite);
  /// Without finish(), a file leaves no trace.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Throws Failure: a closed pipe, a full disk.
  void write(std::string_view text);
  void finish();

 private:
  std::string path_, draft_;
  int fd_ = 1;
};

}  // namespace perf
