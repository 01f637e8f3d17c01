// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <mutex>
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

/// What std::condition_variable is, for a twentieth of ringcoll.hpp's compile time less.
class Condition {
 public:
  Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition() { ::pthread_cond_destroy(&condition_); }

  void wait(std::unique_lock<std::mutex>& lock) { ::pthread_cond_wait(&condition_, lock.mutex()->native_handle()); }
  void notify_one() { ::pthread_cond_signal(&condition_); }
  void notify_all() { ::pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace ringcoll::inline v0::detail
