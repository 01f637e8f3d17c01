// SPDX-License-Identifier: Apache-2.0
#include "launch.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

namespace perf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto grace = std::chrono::seconds(3);

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const ssize_t got = getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno != EINTR)
      throw Failure(ExitCode::internal, std::string("no random numbers: ") + std::strerror(errno));
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    text += digits;
  }
  return text;
}

/// The signals that concern the parent. They are blocked, and taken one at a time by sigtimedwait.
sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

class Ranks {
 public:
  void add(pid_t pid) { pids_.push_back(pid); }
  bool alive() const {
    return std::any_of(pids_.begin(), pids_.end(), [](pid_t pid) { return pid > 0; });
  }
  /// Since the first rank failed.
  Clock::duration failing() const { return failed_ ? Clock::now() - *failed_ : Clock::duration::zero(); }
  int code() const { return code_; }

  void send(int signal) const {
    for (const pid_t pid : pids_)
      if (pid > 0) kill(pid, signal);
  }

  /// Takes note of the ranks that have ended.
  void reap() {
    for (std::size_t rank = 0; rank < pids_.size(); ++rank) {
      int status = 0;
      if (pids_[rank] <= 0 || waitpid(pids_[rank], &status, WNOHANG) <= 0) continue;
      const pid_t pid = std::exchange(pids_[rank], 0);
      if (WIFSIGNALED(status) && !is_known(WTERMSIG(status)))
        std::fprintf(stderr, "ringcoll_perf: rank %zu (process %d) was ended by signal %d, %s\n", rank,
                     static_cast<int>(pid), WTERMSIG(status), strsignal(WTERMSIG(status)));
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(ExitCode::ringcoll);
      if (code == 0) continue;
      if (!failed_) failed_ = Clock::now();
      const bool is_consequence = code == static_cast<int>(ExitCode::ringcoll);
      if (code_ == 0 || (code_ == static_cast<int>(ExitCode::ringcoll) && !is_consequence)) code_ = code;
    }
  }

  void kill_all() {
    killing_ = true;
    send(SIGKILL);
  }

 private:
  /// Nobody needs to be told of the kill that ended the others, or of the user's own Ctrl-C.
  bool is_known(int signal) const { return (signal == SIGKILL && killing_) || signal == SIGINT || signal == SIGHUP; }

  std::vector<pid_t> pids_;
  std::optional<Clock::time_point> failed_;
  int code_ = 0;
  bool killing_ = false;
};

/// Ends this process as `signal` would have.
[[noreturn]] void end_by(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  raise(signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  std::_Exit(128 + signal);
}

}  // namespace

int fork_ranks(int ranks, const std::function<ExitCode(int rank, const Meeting& meeting)>& body) {
  const Meeting meeting{"unix:ringcoll-perf-" + hexadecimal(random_bytes(8)), hexadecimal(random_bytes(32))};
  const sigset_t watched = watched_signals();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &watched, &before);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  Ranks children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t pid = fork();
    if (pid == 0) {
      sigprocmask(SIG_SETMASK, &before, nullptr);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(static_cast<int>(ExitCode::internal));  // it died before the line above
      const int code = static_cast<int>(body(rank, meeting));
      std::fflush(nullptr);
      _exit(code);
    }
    if (pid < 0) {
      std::fprintf(stderr, "ringcoll_perf: cannot start rank %d: %s\n", rank, std::strerror(errno));
      children.kill_all();
      return static_cast<int>(ExitCode::internal);
    }
    children.add(pid);
  }

  int ended_by = 0;
  Clock::time_point signalled;
  while (true) {
    children.reap();
    if (!children.alive()) break;
    if (children.failing() > grace || (ended_by != 0 && Clock::now() - signalled > grace)) children.kill_all();
    const timespec pause{0, 200'000'000};
    const int signal = sigtimedwait(&watched, nullptr, &pause);
    if (signal <= 0 || signal == SIGCHLD) continue;
    if (ended_by == 0) signalled = Clock::now();
    ended_by = signal;
    children.send(signal);
  }
  if (ended_by != 0) end_by(ended_by);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return children.code();
}

}  // namespace perf
