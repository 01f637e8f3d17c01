// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include <ringcoll/error.hpp>
#include <ringcoll/execute.hpp>
#include <ringcoll/schedule.hpp>
#include <ringcoll/signature.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::detail {

/// Finds calls that do not match where no message of theirs would tell: two ranks that each wait for the other, since
/// each takes the other for the root. And hears of a failure where only ranks that one does not wait for know of it.
///
/// Ranks that have been stuck for a while send their latest calls to the next rank, on a channel of their own, and
/// compare what the one before has sent with their own calls of the same numbers. If the calls of any two ranks
/// differ, then somewhere those of a rank and the next do; so nobody need hear of all others, and large communicators
/// need no more time.
class Comparison {
 public:
  Comparison(AnyTransport& transport, int rank, int size, int channel)
      : transport_(&transport), rank_(rank), size_(size), channel_(channel) {}

  /// A collective begins.
  void remember(const Signature& signature) {
    latest_[signature.sequence % latest_.size()] = signature.pack();
    sequence_ = signature.sequence;
  }

  /// Again and again, while the rank is stuck. Never waits. Throws Error(mismatch), or what made a neighbour fail.
  void compare() {
    if (size_ == 1) return;
    with(wrap(rank_ + 1, size_), next_gone_, [&](int, Link& next) { tell(next); });
    with(wrap(rank_ - 1, size_), previous_gone_, [&](int peer, Link& previous) { listen(peer, previous); });
  }

 private:
  using Calls = std::array<std::array<std::uint64_t, 2>, 8>;  // those with number i lie at i mod 8

  template <class Talk>
  void with(int peer, bool& gone, Talk&& talk) {
    if (gone) return;
    try {
      talk(peer, transport_->link(peer, channel_));
    } catch (const Error& error) {
      // What the peer or this rank says of the calls, or the peer of a third rank. Not that it cannot be reached: it
      // may have left in good order, or be busy, and whoever waits for it is told there.
      const bool third = error.rank() != peer && error.rank() != Error::nobody;
      if (error.code() == Errc::mismatch || error.code() == Errc::aborted || third) throw;
      gone = true;
    }
  }

  void tell(Link& next) {
    if (told_ == sequence_) return static_cast<void>(next.peek());  // throws if it has failed
    const Slot slot = next.reserve(sizeof latest_);
    if (!slot) return;
    *slot.header = {};
    std::memcpy(slot.payload, latest_.data(), sizeof latest_);
    next.publish();
    told_ = sequence_;
  }

  void listen(int peer, Link& previous) {
    while (const Slot slot = previous.peek()) {
      Calls theirs{};
      if (slot.bytes == sizeof theirs) std::memcpy(theirs.data(), slot.payload, sizeof theirs);
      previous.release();
      for (std::size_t i = 0; i < theirs.size(); ++i) {
        const Signature call = Signature::unpack(theirs[i]), own = Signature::unpack(latest_[i]);
        if (call.sequence != 0 && call.sequence == own.sequence && theirs[i] != latest_[i])
          throw Error(Errc::mismatch, difference(peer, call, rank_, own), peer);
      }
    }
  }

  AnyTransport* transport_;
  int rank_, size_, channel_;
  Calls latest_{};
  std::uint32_t sequence_ = 0, told_ = 0;
  bool next_gone_ = false, previous_gone_ = false;
};

}  // namespace ringcoll::inline v0::detail
