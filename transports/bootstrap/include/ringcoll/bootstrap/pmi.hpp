// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>

#include <ringcoll/bootstrap/courier.hpp>
#include <ringcoll/bootstrap/socket.hpp>

namespace ringcoll::inline v0::bootstrap {

/// MPICH's launcher, Hydra, speaks PMI-1 with each rank on the descriptor PMI_FD: lines "cmd=put key=… value=…".
class Pmi {
 public:
  Pmi(int fd, std::chrono::nanoseconds timeout) : fd_(fd), deadline_(Clock::now() + timeout) {}

  std::string broadcast(int rank, std::string_view text) {
    ask("cmd=init pmi_version=1 pmi_subversion=1", "response_to_init");
    const std::string space = field(ask("cmd=get_my_kvsname", "my_kvsname"), "kvsname");
    if (rank == 0) ask("cmd=put kvsname=" + space + " key=ringcoll value=" + std::string(text), "put_result");
    ask("cmd=barrier_in", "barrier_out");
    std::string value = field(ask("cmd=get kvsname=" + space + " key=ringcoll", "get_result"), "value");
    // Without it Hydra takes our end for a crash.
    ask("cmd=finalize", "finalize_ack");
    return value;
  }

  /// The value of `name` in "cmd=x name=value …", "" if it is not there.
  static std::string field(std::string_view line, std::string_view name) {
    while (!line.empty()) {
      const std::size_t end = std::min(line.find(' '), line.size());
      const std::string_view word = line.substr(0, end);
      if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=')
        return std::string(word.substr(name.size() + 1));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    return "";
  }

 private:
  static constexpr std::size_t longest_line = 4096;

  std::string ask(const std::string& question, std::string_view expected) {
    const std::string line = question + "\n";
    for (std::size_t at = 0; at < line.size();) {
      const auto bytes = ::write(fd_, line.data() + at, line.size() - at);
      if (bytes < 0 && !would_block(errno)) throw_system("talk to Hydra");
      if (bytes < 0) wait(POLLOUT);
      if (bytes > 0) at += static_cast<std::size_t>(bytes);
    }
    std::string answer = read_line();
    const std::string code = field(answer, "rc");
    if (field(answer, "cmd") != expected || (!code.empty() && code != "0"))
      throw Error(Errc::protocol_error, "Hydra answered '" + question.substr(0, question.find(" value=")) +
                                            "' in an unknown way; set RINGCOLL_ADDRESS=host:port");
    return answer;
  }

  std::string read_line() {
    std::string line;
    while (line.size() < longest_line) {
      wait(POLLIN);
      char c;  // one by one: what follows may belong to an MPI library that shares the descriptor
      const auto bytes = ::read(fd_, &c, 1);
      if (bytes == 0) throw Error(Errc::peer_failed, "Hydra has closed its connection to this rank");
      if (bytes < 0 && !would_block(errno)) throw_system("talk to Hydra");
      if (bytes < 1) continue;
      if (c == '\n') return line;
      line += c;
    }
    throw Error(Errc::protocol_error, "Hydra sent a line without an end");
  }

  void wait(short events) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    pollfd polled = {fd_, events, 0};
    if (left < 0 || ::poll(&polled, 1, static_cast<int>(std::min<long long>(left + 1, 60'000))) == 0)
      throw Error(Errc::timeout, "Hydra does not answer; some rank may not have called connect()");
  }

  int fd_;
  Clock::time_point deadline_;
};

namespace detail {

inline const bool pmi_is_a_courier = add_courier(
    {.name = "PMI",
     .serves =
         [](const Launch& launch) {
           const char* fd = std::getenv("PMI_FD");
           return launch.name == "MPICH" && fd != nullptr && ringcoll::detail::parse_integer(fd).value_or(-1) > 2;
         },
     .broadcast =
         [](const Launch& launch, std::string_view text, std::chrono::nanoseconds timeout) {
           const int fd = static_cast<int>(*ringcoll::detail::parse_integer(std::getenv("PMI_FD")));
           return Pmi(fd, timeout).broadcast(launch.rank, text);
         }});

}  // namespace detail

}  // namespace ringcoll::inline v0::bootstrap
