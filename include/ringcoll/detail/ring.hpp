// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <ringcoll/error.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::detail {

// A message ring in memory that two ranks share: one sends, one receives, neither waits.
//
// Messages lie one behind the other, each on cache lines of its own: a flag word, the header, the payload. The flag is
// 0 until the message is there, so a receiver polls one line and a short message *is* that line. The sender clears the
// flag word of the next message before it sets this one's, hence old payload can never be taken for a flag. Where a
// message does not fit before the end, a wrap mark sends the receiver to the start. The positions run on over the
// whole region and across calls: lines that the peer has just read are left alone for as long as possible.
//
// The peer may be hostile: every word that it can write is loaded once, checked, then used.

inline constexpr std::size_t cache_line = 64;

/// The words that the receiver writes; the sender's words are in the data.
struct alignas(cache_line) RingShared {
  std::atomic<std::uint64_t> consumed{0};  ///< position up to which the sender may write again
};

struct RingFrame {
  static constexpr std::size_t header_at = 8;
  static constexpr std::uint64_t wrap_mark = ~std::uint64_t{0};

  /// A payload that fits behind the header shares its line; a longer one starts a line of its own.
  static constexpr std::size_t payload_at(std::size_t bytes) { return bytes <= 32 ? 32 : cache_line; }
  static constexpr std::size_t size(std::size_t bytes) {
    return (payload_at(bytes) + bytes + cache_line - 1) / cache_line * cache_line;
  }
  static Slot slot(std::byte* frame, std::size_t bytes) {
    return {reinterpret_cast<Header*>(frame + header_at), frame + payload_at(bytes), bytes};
  }
  static std::atomic_ref<std::uint64_t> flag(std::byte* frame) {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(frame));
  }
};

/// What both ends know of a ring: `bytes` of data (a multiple of 64, at first all zero) at `data`, aligned to 64.
struct RingMemory {
  RingShared* shared = nullptr;
  std::byte* data = nullptr;
  std::size_t bytes = 0;

  /// How many messages of `frame_bytes` always fit: the receiver may hold back a quarter of the credit, a message may
  /// lose the end of the ring, and the line behind the last one is kept clear.
  static constexpr int slots(std::size_t ring_bytes, std::size_t frame_bytes) {
    const std::size_t frame = RingFrame::size(frame_bytes);
    const std::size_t usable = ring_bytes - ring_bytes / 4;
    return usable < 2 * frame + cache_line ? 0 : static_cast<int>((usable - frame - cache_line) / frame);
  }
};

/// How large rings are. A ring wants to be larger than the cores' own cache, since writing lines that the peer still
/// caches is up to four times slower: 2 MiB for the channels of collectives, where 1 MiB L2 caches were measured.
struct RingSizes {
  static constexpr std::size_t frame_bytes = 64 << 10;
  static constexpr std::size_t collectives = 2 << 20, point_to_point = 1 << 20;
  static constexpr std::size_t least = 832 << 10;
  static constexpr int slots = RingMemory::slots(least, frame_bytes);
  static_assert(slots >= 8);

  /// The ring of a channel, for a rank that has many rings (of many peers) or few.
  static constexpr std::size_t ring_bytes(int channel, bool many) {
    return many ? least : channel == 1 ? point_to_point : collectives;
  }
};

class RingSender {
 public:
  RingSender() = default;
  explicit RingSender(RingMemory ring) : ring_(ring) {}

  Slot reserve(std::size_t bytes) {
    const std::size_t frame = RingFrame::size(bytes);
    std::size_t at = head_ % ring_.bytes;
    const std::size_t skipped = at + frame > ring_.bytes ? ring_.bytes - at : 0;
    if (!has_room(skipped + frame + cache_line)) return {};
    if (skipped != 0) {
      RingFrame::flag(ring_.data).store(0, std::memory_order_relaxed);
      RingFrame::flag(ring_.data + at).store(RingFrame::wrap_mark, std::memory_order_release);
      head_ += skipped;
      at = 0;
    }
    reserved_ = bytes;
    return RingFrame::slot(ring_.data + at, bytes);
  }

  void publish() {
    std::byte* const frame = ring_.data + head_ % ring_.bytes;
    head_ += RingFrame::size(reserved_);
    RingFrame::flag(ring_.data + head_ % ring_.bytes).store(0, std::memory_order_relaxed);
    // Release: the header, the payload and the cleared next flag must be seen before this one.
    RingFrame::flag(frame).store(static_cast<std::uint64_t>(reserved_) << 1 | 1, std::memory_order_release);
  }

 private:
  bool has_room(std::size_t bytes) {
    if (head_ + bytes - consumed_ <= ring_.bytes) return true;
    const std::uint64_t consumed = ring_.shared->consumed.load(std::memory_order_acquire);
    if (consumed < consumed_ || consumed > head_)
      throw Error(Errc::protocol_error, "a peer's shared-memory credit is impossible: position " +
                                            std::to_string(consumed) + " of " + std::to_string(head_) + " sent");
    consumed_ = consumed;
    return head_ + bytes - consumed_ <= ring_.bytes;
  }

  RingMemory ring_;
  std::uint64_t head_ = 0;      // position of the next message
  std::uint64_t consumed_ = 0;  // as last read
  std::size_t reserved_ = 0;
};

class RingReceiver {
 public:
  RingReceiver() = default;
  RingReceiver(RingMemory ring, std::size_t frame_bytes) : ring_(ring), frame_bytes_(frame_bytes) {}

  Slot peek() {
    if (current_) return current_;
    std::size_t at = tail_ % ring_.bytes;
    std::uint64_t flag = RingFrame::flag(ring_.data + at).load(std::memory_order_acquire);
    if (flag == 0) return {};
    if (flag == RingFrame::wrap_mark) {
      if (at == 0) throw_corrupt(flag);
      tail_ += ring_.bytes - at;
      at = 0;
      flag = RingFrame::flag(ring_.data).load(std::memory_order_acquire);
      if (flag == 0) return {};
    }
    const std::size_t bytes = static_cast<std::size_t>(flag >> 1);
    if ((flag & 1) == 0 || bytes > frame_bytes_ || at + RingFrame::size(bytes) > ring_.bytes) throw_corrupt(flag);
    return current_ = RingFrame::slot(ring_.data + at, bytes);
  }

  /// True if the sender was told of new credit; else it is kept back, so that the sender's line stays in its cache.
  bool release() {
    tail_ += RingFrame::size(current_.bytes);
    current_ = {};
    if (tail_ - told_ < ring_.bytes / 4) return false;
    told_ = tail_;
    // Release: our reads of the payload must come before the sender's next writes there.
    ring_.shared->consumed.store(tail_, std::memory_order_release);
    return true;
  }

 private:
  [[noreturn]] static void throw_corrupt(std::uint64_t flag) {
    throw Error(Errc::protocol_error, "a peer's shared-memory message has an impossible flag " + std::to_string(flag));
  }

  RingMemory ring_;
  std::size_t frame_bytes_ = 0;
  std::uint64_t tail_ = 0;  // position of the next message
  std::uint64_t told_ = 0;  // what the sender knows of it
  Slot current_;
};

/// What is known of the other end of a link, filled in by the transport's `progress`.
struct PeerState {
  int rank = 0;                ///< in this communicator
  bool closed = false;         ///< it sends no more
  std::optional<Error> cause;  ///< why; nothing: it left in good order

  /// For a link that needs the peer although it has closed.
  [[noreturn]] void throw_closed() const {
    if (cause) throw *cause;
    throw Error(Errc::peer_failed,
                "rank " + std::to_string(rank) +
                    " has left the communicator (destroyed it, or exited) while this rank still waits for it; do all "
                    "ranks make the same calls?",
                rank);
  }
};

/// How a rank sleeps: it says so in a word that its peers see, and they then write to its eventfd.
struct Bell {
  std::atomic<std::uint32_t>* sleeping = nullptr;
  int fd = -1;

  void ring_if_asleep() const {
    // No fence before this load: a sleeper looks once more after it has said so, and never sleeps longer than 10 ms.
    if (sleeping->load(std::memory_order_relaxed) != 0) ring();
  }
  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);  // full: it is readable already
  }
};

/// A link over two rings. The transport connects it: before that it has no credit and no messages.
class RingLink final : public Link {
 public:
  explicit RingLink(const PeerState& peer) : peer_(&peer) {}

  void connect(RingMemory out, RingMemory in, std::size_t frame_bytes, Bell peer_bell) {
    sender_ = RingSender(out);
    receiver_ = RingReceiver(in, frame_bytes);
    bell_ = peer_bell;
    connected_ = true;
  }
  bool connected() const { return connected_; }

  Slot reserve(std::size_t bytes) override {
    if (peer_->closed) peer_->throw_closed();
    if (!connected_) return {};
    try {
      return sender_.reserve(bytes);
    } catch (const Error& error) {
      throw by_peer(error);
    }
  }
  void publish() override {
    sender_.publish();
    bell_.ring_if_asleep();
  }
  Slot peek() override {
    // In this order: once `closed` is known, all that the peer ever published is visible.
    const bool closed = peer_->closed;
    const Slot slot = connected_ ? receive() : Slot{};
    if (!slot && closed) peer_->throw_closed();
    return slot;
  }
  void release() override {
    if (receiver_.release()) bell_.ring_if_asleep();
  }

 private:
  Slot receive() {
    try {
      return receiver_.peek();
    } catch (const Error& error) {
      throw by_peer(error);
    }
  }
  Error by_peer(const Error& error) const {
    const std::string what = error.what();
    return {error.code(), "rank " + std::to_string(peer_->rank) + ": " + what.substr(sizeof("ringcoll: ") - 1),
            peer_->rank};
  }

  const PeerState* peer_;
  RingSender sender_;
  RingReceiver receiver_;
  Bell bell_;
  bool connected_ = false;
};

}  // namespace ringcoll::inline v0::detail
