// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include <ringcoll/detail/notice.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::tcp {

// What travels on a connection: frames, one behind the other. A frame is 32 bytes of head, which hold the message's
// header, and the payload, padded to a multiple of 32: so a payload that starts at a multiple of 32 in the stream also
// does in memory, and messages are used where the system call put them.

struct FrameHead {
  enum Kind : std::uint32_t {
    message = 1,
    beat = 2,    ///< nothing to say, but an answer of the peer's kernel is wanted
    notice = 3,  ///< the last frame: a detail::Notice
  };

  std::uint32_t bytes;
  std::uint32_t kind;
  Header header;
};
inline constexpr std::size_t frame_align = 32;
static_assert(sizeof(FrameHead) == frame_align);

constexpr std::size_t padded(std::size_t bytes) { return (bytes + frame_align - 1) / frame_align * frame_align; }
constexpr std::size_t frame_size(std::size_t bytes) { return sizeof(FrameHead) + padded(bytes); }

/// Memory for frames, not initialised.
class FrameMemory {
 public:
  FrameMemory() = default;
  explicit FrameMemory(std::size_t bytes)
      : lines_(std::make_unique_for_overwrite<Line[]>(bytes / frame_align)),
        bytes_(bytes / frame_align * frame_align) {}

  std::byte* data() const { return lines_[0].bytes; }
  std::size_t size() const { return bytes_; }

 private:
  struct alignas(frame_align) Line {
    std::byte bytes[frame_align];
  };
  std::unique_ptr<Line[]> lines_;
  std::size_t bytes_ = 0;
};

/// Frames that wait to be sent, in a ring. A frame that does not fit before the ring's end starts at its beginning.
class SendBuffer {
 public:
  SendBuffer() = default;
  /// Always has room for `slots` frames of `frame_bytes`, however much of the oldest was sent: one more may be lost to
  /// the ring's end.
  SendBuffer(std::size_t frame_bytes, std::size_t slots) : memory_((slots + 1) * frame_size(frame_bytes)) {}

  Slot reserve(std::size_t bytes) {
    if (reserved_ && reserved_.bytes == bytes) return reserved_;
    const std::size_t size = frame_size(bytes);
    if (empty() && !reserved_) head_ = tail_ = 0;  // the same memory again, while it is in the cache
    if (!wrapped_ && head_ + size > memory_.size() && size <= tail_) {
      end_ = head_;
      head_ = 0;
      wrapped_ = true;
    }
    if (head_ + size > (wrapped_ ? tail_ : memory_.size())) return {};
    FrameHead* const head = new (memory_.data() + head_) FrameHead;
    head->bytes = static_cast<std::uint32_t>(bytes);
    head->kind = FrameHead::message;
    std::byte* const payload = memory_.data() + head_ + sizeof(FrameHead);
    std::memset(payload + bytes, 0, padded(bytes) - bytes);
    return reserved_ = {&head->header, payload, bytes};
  }
  void publish() {
    head_ += frame_size(reserved_.bytes);
    reserved_ = {};
  }

  bool empty() const { return !wrapped_ && head_ == tail_; }

  /// The bytes to be sent: one or two stretches of memory.
  int pending(iovec (&parts)[2]) const {
    if (!wrapped_) {
      parts[0] = {memory_.data() + tail_, head_ - tail_};
      return 1;
    }
    parts[0] = {memory_.data() + tail_, end_ - tail_};
    parts[1] = {memory_.data(), head_};
    return head_ > 0 ? 2 : 1;
  }
  void sent(std::size_t bytes) {
    tail_ += bytes;
    if (wrapped_ && tail_ >= end_) {
      tail_ -= end_;
      wrapped_ = false;
    }
  }

 private:
  FrameMemory memory_;
  std::size_t head_ = 0, tail_ = 0;  // where the next frame goes; the first byte not yet sent
  std::size_t end_ = 0;              // if wrapped: where the older frames end
  bool wrapped_ = false;             // unsent are [tail, end) and [0, head), else [tail, head)
  Slot reserved_;
};

/// Bytes as they came, and the frames in them.
class ReceiveBuffer {
 public:
  ReceiveBuffer() = default;
  /// Holds at least two frames and at least 512 KiB of them: large calls are what makes TCP fast.
  explicit ReceiveBuffer(std::size_t frame_bytes)
      : frame_bytes_(frame_bytes),
        memory_(frame_size(frame_bytes) * std::max<std::size_t>(2, (512 << 10) / frame_size(frame_bytes))) {}

  /// The oldest frame if all of it is here, else null. Throws Error(protocol_error) if there never was such a frame.
  const FrameHead* frame() { return frame_at(begin_); }
  std::byte* payload() { return memory_.data() + begin_ + sizeof(FrameHead); }
  void pop() { begin_ += frame_size(frame_at(begin_)->bytes); }

  /// The peer's last words if they are here, be they behind messages not yet taken.
  const std::byte* find_notice() {
    for (std::size_t at = begin_; const FrameHead* head = frame_at(at); at += frame_size(head->bytes))
      if (head->kind == FrameHead::notice) return memory_.data() + at + sizeof(FrameHead);
    return nullptr;
  }
  bool empty() const { return begin_ == end_; }

  /// Where the next bytes from the peer go. Moves an incomplete frame that would not fit, unless one is `in_use`.
  std::span<std::byte> room(bool in_use) {
    if (!in_use && begin_ == end_) begin_ = end_ = 0;
    if (!in_use && begin_ > 0 && begin_ + wanted() > memory_.size()) {
      std::memmove(memory_.data(), memory_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    return {memory_.data() + end_, memory_.size() - end_};
  }
  void received(std::size_t bytes) { end_ += bytes; }

 private:
  const FrameHead* frame_at(std::size_t at) {
    if (end_ - at < sizeof(FrameHead)) return nullptr;
    const auto* head = reinterpret_cast<const FrameHead*>(memory_.data() + at);
    check(*head);
    return end_ - at < frame_size(head->bytes) ? nullptr : head;
  }
  /// Bytes of the oldest frame, as far as is known.
  std::size_t wanted() const {
    if (end_ - begin_ < sizeof(FrameHead)) return sizeof(FrameHead);
    return frame_size(reinterpret_cast<const FrameHead*>(memory_.data() + begin_)->bytes);
  }
  void check(const FrameHead& head) const {
    const bool possible = head.kind == FrameHead::message  ? head.bytes <= frame_bytes_
                          : head.kind == FrameHead::beat   ? head.bytes == 0
                          : head.kind == FrameHead::notice ? head.bytes == sizeof(detail::Notice)
                                                           : false;
    if (!possible)
      throw Error(Errc::protocol_error, "a peer sent a frame that cannot be: kind " + std::to_string(head.kind) + ", " +
                                            std::to_string(head.bytes) + " bytes; do all ranks run the same ringcoll?");
  }

  std::size_t frame_bytes_ = 0;
  FrameMemory memory_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace ringcoll::inline v0::tcp
