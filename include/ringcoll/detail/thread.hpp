// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <string>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::detail {

/// A thread that runs `run(argument)`, joined before it is destroyed. std::thread's way of passing any function with
/// any arguments would cost every file that includes ringcoll a tenth of a second.
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { join(); }

  bool started() const { return started_; }

  /// Throws Error(resource_exhausted).
  void start(void (*run)(void*), void* argument) {
    run_ = run;
    argument_ = argument;
    const auto body = [](void* self) -> void* {
      static_cast<Thread*>(self)->run_(static_cast<Thread*>(self)->argument_);
      return nullptr;
    };
    if (const int code = ::pthread_create(&thread_, nullptr, body, this); code != 0)
      throw Error(Errc::resource_exhausted, "cannot start a thread: error " + std::to_string(code) +
                                                "; is the limit of processes (ulimit -u) or memory reached?");
    started_ = true;
  }

  void join() {
    if (started_) ::pthread_join(thread_, nullptr);
    started_ = false;
  }

 private:
  pthread_t thread_{};
  bool started_ = false;
  void (*run_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace ringcoll::inline v0::detail
