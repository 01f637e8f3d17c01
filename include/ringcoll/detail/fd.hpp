// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::detail {

/// The error of a system call that just failed with `errno`.
inline Error system_error(const std::string& what) {
  const int code = errno;
  const bool exhausted = code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOSPC;
  std::string text = what + ": " + std::strerror(code);
  if (code == EMFILE || code == ENFILE) text += " (raise the limit of open files: ulimit -n)";
  return Error(exhausted ? Errc::resource_exhausted : Errc::system_error, text);
}

/// A file descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// What a rank sleeps on and its peers write to.
inline Fd make_eventfd() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw system_error("eventfd");
  return fd;
}

/// The set of descriptors that one rank waits for; itself a descriptor to wait on.
class Epoll {
 public:
  Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!fd_) throw system_error("epoll_create1");
  }

  int fd() const { return fd_.get(); }

  /// Reports `events` of `fd` as `tag` from now on. A descriptor leaves the set when it is closed.
  void watch(int fd, std::uint32_t events, std::uint64_t tag = 0) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
    if (errno != EEXIST || ::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) != 0) throw system_error("epoll_ctl");
  }
  void forget(int fd) const { ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  /// Calls `f(tag, events)` for what has happened so far, and never waits. What is left after many events stays
  /// readable.
  template <class F>
  void collect(F&& f) const {
    epoll_event events[16];
    for (int turn = 0; turn < 16; ++turn) {
      const int found = ::epoll_wait(fd_.get(), events, 16, 0);
      for (int i = 0; i < found; ++i) f(events[i].data.u64, events[i].events);
      if (found < 16) return;
    }
  }

 private:
  Fd fd_;
};

}  // namespace ringcoll::inline v0::detail
