// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include <ringcoll/communicator.hpp>

namespace ringcoll::inline v0 {

/// A call under way, from a start_* function. Its buffers belong to it until it is complete.
class [[nodiscard]] Work {
 public:
  Work() = default;
  Work(std::shared_ptr<detail::Member> member, std::shared_ptr<detail::Operation> operation)
      : member_(std::move(member)), operation_(std::move(operation)) {}
  Work(Work&&) = default;
  Work& operator=(Work&& other) {
    if (this != &other) {
      settle();
      member_ = std::move(other.member_);
      operation_ = std::move(other.operation_);
    }
    return *this;
  }
  /// Waits, since the buffers are in use until then. An error is not lost: the communicator's next call throws it.
  ~Work() { settle(); }

  /// Returns when the call is complete on this rank; throws what the blocking call would have thrown.
  void wait() {
    if (!operation_) return;
    const auto operation = std::exchange(operation_, nullptr);
    member_->wait(*operation);
  }

  /// True if the call is complete on this rank. Does what can be done, and never waits.
  bool test() { return !operation_ || member_->test(*operation_); }

 private:
  void settle() noexcept {
    try {
      wait();
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): told by the next call
    }
  }

  std::shared_ptr<detail::Member> member_;
  std::shared_ptr<detail::Operation> operation_;
};

}  // namespace ringcoll::inline v0
