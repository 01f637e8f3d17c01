// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/Work.hpp>

namespace ringcoll_torch {

class Group;
class Lane;

/// What a call is, for its Work.
struct CallInfo {
  c10d::OpType type;
  const char* title;  ///< for the profiler, which keeps the pointer
  std::vector<at::Tensor> inputs, outputs;
  std::uint64_t sequence = 0;
  bool async = true;  ///< false: the caller waits at once
};

/// A call under way.
class RingWork final : public c10d::Work {
 public:
  /// `lane`: where it runs, or null if that is elsewhere.
  RingWork(int rank, CallInfo call, Lane* lane, std::weak_ptr<Group> group);

  /// Once. Callbacks of the future run before wait() returns, in this thread.
  void complete(std::exception_ptr error, int source = -1);

  bool wait(std::chrono::milliseconds timeout = kNoTimeout) override;
  /// Ends the whole group: ringcoll cannot take back one call of it.
  void abort() override;
  int sourceRank() const override { return source_; }
  std::vector<at::Tensor> result() override { return outputs_; }
  /// To Python, the future of a call that is over.
  ///
  /// A callback may make further calls, as PowerSGD's hook does, and all ranks must make the same ones in the same
  /// order. Where callbacks run depends on whether the future is complete when they are added: then at once, else when
  /// the call ends, between any two calls of the main thread, and on each rank between other ones. So to Python, whose
  /// hooks do that, the future is always complete.
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;
  /// As it is, for callbacks that make no calls.
  c10::intrusive_ptr<c10::ivalue::Future> future();
  std::uint64_t getSequencenumber() const override { return sequence_; }

 private:
  bool is_settled();
  void settle(c10::ivalue::Future& future) const;

  const std::string name_;
  const std::vector<at::Tensor> outputs_;
  const std::uint64_t sequence_;
  Lane* const lane_;
  const std::weak_ptr<Group> group_;
  std::atomic<int> source_{-1};
  bool settled_ = false;  // exception_ says how
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

}  // namespace ringcoll_torch
