// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0 {

/// What the executor writes in front of every message, and compares on arrival before it touches the data.
///
/// `signature` names the call (collective, type, op, root, count, sequence number), `position` the round and step. Both
/// ends of a link must agree on all of it: a difference means that the ranks' calls do not match.
struct Header {
  std::uint64_t signature[2];
  std::uint64_t position;

  friend bool operator==(const Header&, const Header&) = default;
};

/// Room for one message in a transport's memory: a header and `bytes` of payload, aligned to 32 bytes.
struct Slot {
  Header* header = nullptr;
  std::byte* payload = nullptr;
  std::size_t bytes = 0;

  explicit operator bool() const { return header != nullptr; }
};

/// The ordered, lossless, flow-controlled path to and from one peer on one channel. Nothing here waits.
///
/// One thread at a time may use a link (the communicator sees to it). Sending and receiving are independent.
class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;

  /// Room for the next message of exactly `bytes` (at most the transport's `frame_bytes`), or an empty slot while there
  /// is no credit or no connection yet. Calling it again before `publish` gives the same room.
  /// Throws Error (peer_failed, aborted, …) once the peer can no longer take it.
  virtual Slot reserve(std::size_t bytes) = 0;

  /// Sends what `reserve` returned. Never fails: what goes wrong is thrown by a later call.
  virtual void publish() = 0;

  /// The oldest message not yet released, or an empty slot while none has arrived. The memory is the transport's, stays
  /// valid until `release`, and may be scribbled over by a hostile peer: copy the header before believing it.
  /// Throws Error once the peer can send no more and all that it sent was released.
  virtual Slot peek() = 0;

  /// Gives back the room of the message that `peek` returned; its credit returns to the sender.
  virtual void release() = 0;
};

/// The links of one rank to its peers in one communicator.
///
/// What satisfies it, for your own transport (tests/transport/conformance.hpp checks all of it):
/// - `link(peer, channel)`: this rank's link; connects when first used, without waiting, and may need both ends to have
///   asked for it. peer != rank. Channels are independent of each other. The reference stays valid as long as the
///   transport.
/// - `frame_bytes()`: the longest payload of one message; the same number on all ranks of the communicator.
/// - `slots()`: how many messages of `frame_bytes` fit into a link before the receiver takes one; at least 2.
/// - `progress()`: does what I/O is possible (connecting, accepting, flushing, noticing that a peer died). Never waits.
/// - `flushed()`: all that was published has left this process, or lies where the peer finds it without this rank's
///   help. A call returns only then; `progress()` gets there.
/// - `wait_fd()`: becomes readable when something may have happened since `arm()`; -1 if there is no such thing (then
///   waiting means short naps). `arm()` says that the rank is about to sleep on it, `disarm()` that it woke. After
///   `arm()` the caller looks at its links once more before it sleeps, and it never sleeps longer than 10 ms.
/// - `close(cause)`: tells every connected peer that this rank is done: with null in good order, else because of
///   `cause`, which a peer that then waits for this rank throws as its own. Waits at most 100 ms, for what was
///   published. Idempotent.
/// - `subset(context, members, rank)`: a transport among `members` (ranks of this one), in which members[i] is rank i
///   and the caller is `rank`. `context` is the same on all of them and differs from every other live communicator's.
/// - its destructor closes. All but `close` are called by one thread at a time.
template <class T>
concept Transport = requires(T& t, const T& c, int peer, int channel, const Error* cause, std::uint64_t context,
                             std::span<const int> members) {
  { t.link(peer, channel) } -> std::same_as<Link&>;
  { c.frame_bytes() } -> std::same_as<std::size_t>;
  { c.slots() } -> std::same_as<int>;
  { t.progress() } -> std::same_as<void>;
  { c.flushed() } -> std::same_as<bool>;
  { c.wait_fd() } -> std::same_as<int>;
  { t.arm() } -> std::same_as<void>;
  { t.disarm() } -> std::same_as<void>;
  { t.close(cause) } noexcept -> std::same_as<void>;
  { t.subset(context, members, peer) } -> std::same_as<std::unique_ptr<T>>;
};

/// Any transport, owned: what a communicator holds, so that shared memory and TCP mix in one.
class AnyTransport {
 public:
  AnyTransport() = default;
  AnyTransport(const AnyTransport&) = delete;
  AnyTransport& operator=(const AnyTransport&) = delete;
  virtual ~AnyTransport() = default;

  virtual Link& link(int peer, int channel) = 0;
  virtual std::size_t frame_bytes() const = 0;
  virtual int slots() const = 0;
  virtual void progress() = 0;
  virtual bool flushed() const = 0;
  virtual int wait_fd() const = 0;
  virtual void arm() = 0;
  virtual void disarm() = 0;
  virtual void close(const Error* cause) noexcept = 0;
  virtual std::unique_ptr<AnyTransport> subset(std::uint64_t context, std::span<const int> members, int rank) = 0;
};

namespace detail {

template <Transport T>
class Erased final : public AnyTransport {
 public:
  explicit Erased(std::unique_ptr<T> transport) : transport_(std::move(transport)) {}

  Link& link(int peer, int channel) override { return transport_->link(peer, channel); }
  std::size_t frame_bytes() const override { return transport_->frame_bytes(); }
  int slots() const override { return transport_->slots(); }
  void progress() override { transport_->progress(); }
  bool flushed() const override { return transport_->flushed(); }
  int wait_fd() const override { return transport_->wait_fd(); }
  void arm() override { transport_->arm(); }
  void disarm() override { transport_->disarm(); }
  void close(const Error* cause) noexcept override { transport_->close(cause); }
  std::unique_ptr<AnyTransport> subset(std::uint64_t context, std::span<const int> members, int rank) override {
    return std::make_unique<Erased>(transport_->subset(context, members, rank));
  }

 private:
  std::unique_ptr<T> transport_;
};

}  // namespace detail

template <Transport T>
std::unique_ptr<AnyTransport> erase(std::unique_ptr<T> transport) {
  return std::make_unique<detail::Erased<T>>(std::move(transport));
}

}  // namespace ringcoll::inline v0
