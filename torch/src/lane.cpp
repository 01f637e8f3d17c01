// SPDX-License-Identifier: Apache-2.0
#include "lane.hpp"

#include <utility>

namespace ringcoll_torch {

namespace {
thread_local const Lane* current_lane = nullptr;
}

const Lane* Lane::current() { return current_lane; }

void Lane::close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Lane::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  }
  changed_.notify_all();
}

bool Lane::run_next() {
  Job job;
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  job();
  return true;
}

bool Lane::take_turn() {
  const std::lock_guard lock(mutex_);
  if (busy_ || !jobs_.empty()) return false;
  busy_ = true;
  return true;
}

void Lane::give_turn() {
  bool others = false;
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
    others = stopping_ || !jobs_.empty();
  }
  if (others) changed_.notify_all();  // waking a thread costs more than many a call
}

void Lane::serve() {
  current_lane = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !busy_ && (stopping_ || !jobs_.empty()); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes before the next one begins
    lock.lock();
    busy_ = false;
  }
}

}  // namespace ringcoll_torch
