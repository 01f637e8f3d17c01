// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <ringcoll/bootstrap/key.hpp>

namespace ringcoll::inline v0::bootstrap {

// Two ranks prove to each other that they know the job's key, in four frames of 128 bytes:
//
//   hello      client → server   its nonce, what the connection is for
//   challenge  server → client   its nonce, who it is
//   proof      client → server
//   verdict    server → client   accepted, or why not
//
// Each ends with an HMAC-SHA256 over who speaks and the whole conversation so far, so a frame cannot be replayed
// (the nonces), reflected (the speaker), nor moved to another connection (the purpose). A server says nothing to a
// client whose hello is not right. A client proves itself on one connection only, so one that the server accepts is
// never given up in favour of another. The layout is the same in all versions of ringcoll, so that versions can
// disagree politely.

enum class Via : std::uint8_t { unix_socket, tcp };

/// What a connection is for; both ends name the same one. Ranks are those of the communicator that `context` names.
struct Purpose {
  std::uint64_t context = 0;
  int from = 0;  ///< connects
  int to = 0;    ///< accepts
  int channel = 0;
  Via via = Via::tcp;

  friend bool operator==(const Purpose&, const Purpose&) = default;
};

inline constexpr std::uint32_t protocol_version = 1;

/// One side of the conversation, over bytes: feed it what arrives, send what it says. It knows no sockets.
class Handshake {
 public:
  static constexpr std::size_t frame_bytes = 128;
  static constexpr int frames = 4;

  enum class State : std::uint8_t { running, done, failed };
  enum class Why : std::uint8_t {
    none,
    stranger,        ///< not ringcoll, or not our key
    other_endpoint,  ///< our job, but not the rank that we wanted
    other_version,   ///< our key, but another version of ringcoll
  };

  /// `endpoint` is the id that the server must have, 0 for any.
  static Handshake client(const Key& key, const Purpose& purpose, std::uint64_t endpoint,
                          std::uint32_t version = protocol_version) {
    Handshake h(key, /*me=*/0, endpoint, version);
    h.purpose_ = purpose;
    h.say(Why::none);
    return h;
  }
  static Handshake server(const Key& key, std::uint64_t endpoint, std::uint32_t version = protocol_version) {
    return Handshake(key, /*me=*/1, endpoint, version);
  }

  State state() const { return state_; }
  Why why() const { return why_; }
  /// What the client wants: a server may believe it once the handshake is done.
  const Purpose& purpose() const { return purpose_; }
  std::uint32_t peer_version() const { return peer_version_; }
  /// The other end has shown that it knows the key (it may still be lost, or refuse us).
  bool peer_proved() const { return peer_proved_; }
  /// A client has sent its proof, or is about to: from here on the server may count on this connection.
  bool committed() const { return me_ == 0 && (frame_ >= 2 || state_ == State::done); }

  /// Where to put what arrives next. Never beyond the handshake: what follows belongs to the connection's user.
  std::span<std::byte> input() {
    if (state_ != State::running || speaking()) return {};
    return frame(frame_).subspan(at_);
  }
  /// `count` more bytes have been put into `input()`.
  void received(std::size_t count) {
    at_ += count;
    // A stranger is shown the door at its first wrong byte.
    if (std::memcmp(frame(frame_).data(), magic.data(), at_ < magic.size() ? at_ : magic.size()) != 0)
      return fail(Why::stranger);
    if (at_ == frame_bytes) hear();
  }

  /// What to send next; empty: nothing for now. A server that fails may still have a verdict to send.
  std::span<const std::byte> output() const {
    if (!speaking()) return {};
    return {transcript_.data() + static_cast<std::size_t>(frame_) * frame_bytes + at_, frame_bytes - at_};
  }
  void sent(std::size_t count) {
    at_ += count;
    if (at_ == frame_bytes) next_frame();
    if (frame_ == frames && state_ == State::running) state_ = why_ == Why::none ? State::done : State::failed;
  }

 private:
  static constexpr std::string_view magic = "RINGCOLL";
  // A frame: magic 8 · version 4 · kind 1 · via 1 · why 1 · zero 1 · context 8 · from 4 · to 4 · channel 4 · zero 4 ·
  // endpoint 8 · zero 16 · nonce 32 · tag 32
  static constexpr std::size_t version_at = 8, kind_at = 12, via_at = 13, why_at = 14, context_at = 16, from_at = 24,
                               to_at = 28, channel_at = 32, endpoint_at = 40, nonce_at = 64, tag_at = 96;

  Handshake(const Key& key, int me, std::uint64_t endpoint, std::uint32_t version)
      : key_(key), me_(me), endpoint_(endpoint), version_(version), peer_version_(version) {}

  std::span<std::byte> frame(int i) {
    return std::span(transcript_).subspan(static_cast<std::size_t>(i) * frame_bytes, frame_bytes);
  }
  bool speaking() const { return frame_ < frames && frame_ % 2 == me_ && state_ == State::running; }

  void fail(Why why) {
    state_ = State::failed;
    why_ = why;
  }
  void next_frame() {
    ++frame_;
    at_ = 0;
  }

  static void put(std::span<std::byte> f, std::size_t at, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) f[at + static_cast<std::size_t>(i)] = static_cast<std::byte>(value >> (8 * i));
  }
  static std::uint64_t get(std::span<const std::byte> f, std::size_t at, int bytes) {
    return Reader(f.subspan(at, static_cast<std::size_t>(bytes)), "").number(bytes);
  }

  /// The tag of the current frame: over its speaker and all that was said up to it.
  Digest tag() const {
    std::array<std::byte, 16 + frames * frame_bytes> text = {};
    std::memcpy(text.data(), frame_ % 2 == 0 ? "ringcoll client" : "ringcoll server", 15);
    const std::size_t said = static_cast<std::size_t>(frame_) * frame_bytes + tag_at;
    std::memcpy(text.data() + 16, transcript_.data(), said);
    return hmac_sha256(key_.bytes, std::span(text).first(16 + said));
  }

  /// Writes the current frame; `output` then has it.
  void say(Why why) {
    const auto f = frame(frame_);
    std::memcpy(f.data(), magic.data(), magic.size());
    put(f, version_at, version_, 4);
    put(f, kind_at, static_cast<unsigned>(frame_) + 1, 1);
    put(f, via_at, static_cast<unsigned>(purpose_.via), 1);
    put(f, why_at, static_cast<unsigned>(why), 1);
    put(f, context_at, purpose_.context, 8);
    put(f, from_at, static_cast<std::uint32_t>(purpose_.from), 4);
    put(f, to_at, static_cast<std::uint32_t>(purpose_.to), 4);
    put(f, channel_at, static_cast<std::uint32_t>(purpose_.channel), 4);
    put(f, endpoint_at, endpoint_, 8);
    if (frame_ < 2) fill_random(f.subspan(nonce_at, 32));
    const Digest t = tag();
    std::memcpy(f.data() + tag_at, t.data(), t.size());
  }

  /// A whole frame has arrived: nothing in it is looked at before its tag is right.
  void hear() {
    const auto f = frame(frame_);
    if (!equal_digests(tag(), f.subspan<tag_at, 32>()) || get(f, kind_at, 1) != static_cast<unsigned>(frame_) + 1)
      return fail(Why::stranger);
    switch (frame_) {
      case 0: return hear_hello(f);
      case 1: return hear_challenge(f);
      case 2: return hear_proof();
      default: return hear_verdict(f);
    }
  }

  void hear_hello(std::span<const std::byte> f) {
    purpose_ = {.context = get(f, context_at, 8),
                .from = static_cast<std::int32_t>(get(f, from_at, 4)),
                .to = static_cast<std::int32_t>(get(f, to_at, 4)),
                .channel = static_cast<std::int32_t>(get(f, channel_at, 4)),
                .via = static_cast<Via>(get(f, via_at, 1))};
    peer_version_ = static_cast<std::uint32_t>(get(f, version_at, 4));
    if (purpose_.via != Via::unix_socket && purpose_.via != Via::tcp) return fail(Why::stranger);
    // Versions that differ go on to the end, for a hello alone may be an old one, replayed.
    next_frame();
    say(Why::none);
  }

  void hear_challenge(std::span<const std::byte> f) {
    peer_proved_ = true;
    peer_version_ = static_cast<std::uint32_t>(get(f, version_at, 4));
    if (endpoint_ != 0 && get(f, endpoint_at, 8) != endpoint_) return fail(Why::other_endpoint);
    next_frame();
    say(Why::none);
  }

  void hear_proof() {
    peer_proved_ = true;
    next_frame();
    why_ = peer_version_ == version_ ? Why::none : Why::other_version;
    say(why_);
  }

  void hear_verdict(std::span<const std::byte> f) {
    at_ = 0;
    frame_ = frames;
    const auto verdict = static_cast<Why>(get(f, why_at, 1));
    if (peer_version_ != version_) return fail(Why::other_version);
    if (verdict != Why::none) return fail(verdict);
    state_ = State::done;
  }

  Key key_;
  int me_;  // 0 the client, who says the even frames; 1 the server
  std::uint64_t endpoint_;
  std::uint32_t version_, peer_version_;
  Purpose purpose_ = {};
  State state_ = State::running;
  Why why_ = Why::none;
  bool peer_proved_ = false;
  int frame_ = 0;       // of the conversation
  std::size_t at_ = 0;  // bytes of it that were sent or received
  std::array<std::byte, frames * frame_bytes> transcript_ = {};
};

}  // namespace ringcoll::inline v0::bootstrap
