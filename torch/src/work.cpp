// SPDX-License-Identifier: Apache-2.0
#include "work.hpp"

#include <c10/util/Exception.h>
#include <torch/csrc/utils/pybind.h>

#include "group.hpp"

namespace ringcoll_torch {

RingWork::RingWork(int rank, CallInfo call, Lane* lane, std::weak_ptr<Group> group)
    : Work(rank, call.type, call.title, call.inputs),
      name_(call.title),
      outputs_(std::move(call.outputs)),
      sequence_(call.sequence),
      lane_(lane),
      group_(std::move(group)) {}

void RingWork::abort() {
  if (const std::shared_ptr<Group> group = group_.lock()) group->abort();
}

void RingWork::complete(std::exception_ptr error, int source) {
  c10::intrusive_ptr<c10::ivalue::Future> future;
  {
    const std::lock_guard lock(mutex_);
    exception_ = error;
    settled_ = true;
    source_ = source;
    future = future_;
  }
  if (future) settle(*future);
  finish(error);
}

bool RingWork::wait(std::chrono::milliseconds timeout) {
  // A callback that waits for a later call: nobody else will run that one. Or for its own, which is as good as over.
  const bool in_callback = lane_ && Lane::current() == lane_;
  if (in_callback)
    while (!isCompleted() && lane_->run_next()) continue;
  std::unique_lock lock(mutex_);
  const auto over = [&] { return completed_ || (in_callback && settled_); };
  if (timeout == kNoTimeout) {
    cv_.wait(lock, over);
  } else if (!cv_.wait_for(lock, timeout, over)) {
    C10_THROW_ERROR(DistBackendError,
                    name_ + ": Timed out after " + std::to_string(timeout.count()) + " ms in wait(); the call goes on");
  }
  if (exception_) std::rethrow_exception(exception_);
  return true;
}

c10::intrusive_ptr<c10::ivalue::Future> RingWork::getFuture() {
  if (lane_) {
    if (Lane::current() == lane_) {
      while (!is_settled() && lane_->run_next()) continue;
    } else if (PyGILState_Check()) {
      const pybind11::gil_scoped_release without_gil;
      std::unique_lock lock(mutex_);
      cv_.wait(lock, [&] { return completed_; });
    }
  }
  return future();
}

bool RingWork::is_settled() {
  const std::lock_guard lock(mutex_);
  return settled_;
}

c10::intrusive_ptr<c10::ivalue::Future> RingWork::future() {
  bool settled = false;
  c10::intrusive_ptr<c10::ivalue::Future> future;
  {
    const std::lock_guard lock(mutex_);
    if (future_) return future_;
    future = future_ = c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()));
    settled = settled_;
  }
  if (settled) settle(*future);
  return future;
}

void RingWork::settle(c10::ivalue::Future& future) const {
  if (exception_) future.setError(exception_);
  else future.markCompleted(c10::IValue(outputs_));
}

}  // namespace ringcoll_torch
