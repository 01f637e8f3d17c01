// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "exit_code.hpp"

namespace perf {

Output::Output(const std::string& path, bool overwrite) : path_(path) {
  if (path == "-") return;
  if (!overwrite && access(path.c_str(), F_OK) == 0)
    throw usage_error("'" + path + "' exists: expected a new name, or --force");
  draft_ = path + "." + std::to_string(getpid()) + ".tmp";
  fd_ = open(draft_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) throw usage_error("cannot write '" + path + "': " + std::strerror(errno));
}

Output::~Output() {
  if (draft_.empty()) return;
  close(fd_);
  unlink(draft_.c_str());
}

void Output::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw Failure(ExitCode::internal, "cannot write to " + (draft_.empty() ? "standard output" : "'" + path_ + "'") +
                                            ": " + std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Output::finish() {
  if (draft_.empty()) return;
  const bool kept = close(fd_) == 0 && std::rename(draft_.c_str(), path_.c_str()) == 0;
  if (!kept) throw Failure(ExitCode::internal, "cannot write '" + path_ + "': " + std::strerror(errno));
  draft_.clear();
}

}  // namespace perf
