// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <ringcoll/detail/member.hpp>
#include <ringcoll/detail/time.hpp>

namespace ringcoll::inline v0 {

/// What may be said about a single call.
struct Options {
  std::chrono::nanoseconds deadline{0};  ///< 0: the communicator's own, 300 s unless set
  /// Instead of what the selector would choose: "ring", "tree", …, a literal, the same on all ranks; see families.hpp.
  const char* schedule = nullptr;
  /// The bits of a sum depend on the inputs, their ranks and the number of ranks only: not on the length of the call,
  /// the schedule, the transport or which ranks share a node. RINGCOLL_REPRODUCIBLE=1 asks for it in all calls.
  bool reproducible = false;
};

/// A set of ranks that call collectives together, in the same order. This object is one rank's part in it.
///
/// Calls on one communicator come from one thread at a time (nonblocking ones may be waited for from any); different
/// communicators, made by `split`, are independent. After an exception from a collective the communicator has failed:
/// every later call throws the same error.
class Communicator {
 public:
  /// No communicator: what `split` returns to a rank with color `none`.
  Communicator() = default;

  /// Rank `rank` of `size` over a transport of your own or one of ringcoll's; see connect() for the usual way.
  Communicator(int rank, int size, std::unique_ptr<AnyTransport> transport, const Setup& setup = {})
      : member_(std::make_shared<detail::Member>(rank, size, std::move(transport), setup)) {}

  explicit operator bool() const { return member_ != nullptr; }

  int rank() const { return member().rank(); }
  int size() const { return member().size(); }

  /// True if all its ranks share one machine's memory.
  bool one_host() const { return member().one_host(); }

  /// Which of its ranks share a node.
  const Placement& placement() const { return member().placement(); }

  /// The ranks that call with the same `color` become a communicator of their own, ordered by `key`, then by rank.
  /// Collective. With color `none` a rank gets no communicator. Colors are not negative otherwise.
  /// Throws Error(invalid_argument), and whatever a collective throws. In ringcoll/split.hpp.
  Communicator split(int color, int key = 0) const;

  /// Ends what is under way with Error(aborted), here at once and on the other ranks when they next wait for this one.
  /// Local, from any thread, returns within 100 ms.
  void abort() const { member().abort(); }

  /// For ringcoll's own headers.
  detail::Member& member() const {
    if (!member_)
      throw Error(Errc::invalid_argument,
                  "this communicator is empty: it was moved from, or came from split() with color none");
    return *member_;
  }
  const std::shared_ptr<detail::Member>& shared_member() const { return member_; }

 private:
  std::shared_ptr<detail::Member> member_;
};

}  // namespace ringcoll::inline v0
