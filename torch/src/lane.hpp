// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ringcoll_torch {

/// Runs jobs one after the other, in the order in which they were given to it.
///
/// They run on one thread, which exists from the first push on. A caller that would only wait for its job may run it
/// itself when nothing is before it: that saves two changes of threads.
class Lane {
 public:
  using Job = std::function<void()>;  ///< must not throw

  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() { close(); }

  void push(Job job);

  /// Calls `job` at once, in this thread, and returns true; false if another job is before it.
  template <class F>
  bool run_now(F&& job) {
    if (!take_turn()) return false;
    job();
    give_turn();
    return true;
  }

  /// The lane whose thread this is, or null. A job that waits for one behind it must run that one itself.
  static const Lane* current();
  /// On the lane's thread, inside a job: runs the next one. False if there is none.
  bool run_next();

  /// Runs what was pushed, then ends. Nothing may be pushed from then on. Not from a job.
  void close();

 private:
  bool take_turn();
  void give_turn();
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace ringcoll_torch
