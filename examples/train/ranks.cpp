// SPDX-License-Identifier: Apache-2.0
#include "ranks.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

/// 256 bits that nobody can guess, as hex digits.
std::string random_digits() {
  std::random_device device;
  std::string text;
  for (int i = 0; i < 8; ++i) {
    char word[9];
    std::snprintf(word, sizeof word, "%08x", static_cast<unsigned>(device()));
    text += word;
  }
  return text;
}

int exit_code(int rank, pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) == -1)
    if (errno != EINTR) return 1;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::fprintf(stderr, "rank %d was ended by signal %d (%s)\n", rank, WTERMSIG(status), strsignal(WTERMSIG(status)));
  return 1;
}

}  // namespace

int fork_ranks(int size, const std::function<int(const ringcoll::ConnectOptions&)>& rank_main) {
  ringcoll::ConnectOptions options;
  options.size = size;
  options.address = "unix:" + random_digits();
  options.secret = random_digits();

  std::fflush(nullptr);  // or every child prints what waits to be printed
  std::vector<pid_t> pids;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t pid = fork();
    if (pid == 0) {
      options.rank = rank;
      const int code = rank_main(options);
      std::fflush(nullptr);
      _exit(code);
    }
    if (pid == -1) {
      std::fprintf(stderr, "cannot fork rank %d of %d: %s\n", rank, size, std::strerror(errno));
      for (pid_t started : pids) kill(started, SIGTERM);
      for (pid_t started : pids) waitpid(started, nullptr, 0);
      return 1;
    }
    pids.push_back(pid);
  }

  int code = 0;
  for (int rank = 0; rank < size; ++rank) code = std::max(code, exit_code(rank, pids[static_cast<std::size_t>(rank)]));
  return code;
}
