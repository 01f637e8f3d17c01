// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <optional>

#include <ringcoll/error.hpp>

#include "transport/exchange.hpp"

namespace test {

/// A forked process that runs `f` and exits; killed at the end of its life here, if it still lives.
class Child {
 public:
  template <class F>
  explicit Child(F f) : pid_(::fork()) {
    if (pid_ != 0) return;
    try {
      f();
      ::_exit(0);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in a child: %s\n", e.what());
    }
    ::_exit(1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    signal(SIGKILL);
    wait();
  }

  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// True if it ended by itself, without failing.
  bool wait() {
    if (pid_ <= 0) return false;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t pid_;
};

/// Makes progress for ever, as a rank that waits for something else.
template <class T>
[[noreturn]] void idle(T& transport) {
  for (;; ::sched_yield()) transport.progress();
}

inline int open_files() {
  int count = 0;
  DIR* const all = ::opendir("/proc/self/fd");
  while (::readdir(all) != nullptr) ++count;
  ::closedir(all);
  return count;
}

/// The error that waiting for a message or for room on `link` ends with, if it does before long.
template <class T>
std::optional<ringcoll::Error> error_on(T& transport, ringcoll::Link& link, bool send = false) {
  std::optional<ringcoll::Error> error;
  try {
    error = conformance::error_of(transport, "an error", [&] {
      if (!send) link.peek();
      else if (link.reserve(8)) link.publish();
    });
  } catch (const std::exception&) {  // none came: nothing is the answer
  }
  return error;
}

}  // namespace test
