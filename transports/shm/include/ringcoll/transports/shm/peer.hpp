// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>
#include <ringcoll/bootstrap/pairing.hpp>
#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/transports/shm/control.hpp>
#include <ringcoll/transports/shm/memory.hpp>

namespace ringcoll::inline v0::shm {

/// What a transport's peers share.
struct Shared {
  std::shared_ptr<bootstrap::Endpoint> endpoint;
  int size = 0;
  detail::Epoll epoll;
  detail::Fd bell = detail::make_eventfd();
  std::size_t memory_used = 0;
  std::vector<std::atomic<std::uint32_t>*> sleeping;  // the words by which this rank says that it sleeps
};

/// A peer, the connection to it, and the channels shared with it.
///
/// The lower rank connects. Each side then says hello and passes its bell. For each channel that the lower rank uses,
/// it makes the memory and passes that; the higher rank's link on the channel waits for it.
class ShmPeer {
 public:
  ShmPeer(Shared& shared, const bootstrap::Purpose& purpose, int rank, int world_peer)
      : shared_(shared), world_peer_(world_peer), side_(purpose.from == rank ? 0 : 1) {
    state_.rank = side_ == 0 ? purpose.to : purpose.from;
    try {
      pairing_.emplace(shared.endpoint, purpose, rank, world_peer);
      if (pairing_->fd() >= 0) shared_.epoll.watch(pairing_->fd(), EPOLLIN);
    } catch (const Error& error) {
      end(error);
    }
  }
  ShmPeer(const ShmPeer&) = delete;
  ShmPeer& operator=(const ShmPeer&) = delete;

  Link& link(int index) {
    Channel& channel = channels_[index];
    if (!channel.link) {
      channel.link = std::make_unique<detail::RingLink>(state_);
      settle(index, channel);
    }
    return *channel.link;
  }

  /// Goes on connecting. True while that is not done.
  bool connect() {
    if (control_ || state_.closed) return false;
    try {
      std::optional<bootstrap::Socket> socket = pairing_->progress();
      if (!socket) return true;
      pairing_.reset();
      start(std::move(*socket));
    } catch (const Error& error) {
      pairing_.reset();
      end(error);
    }
    return false;
  }

  /// Hears what the peer has said.
  void listen() {
    if (!control_ || state_.closed) return;
    try {
      ControlMessage message;
      detail::Fd passed;
      while (!state_.closed) {
        switch (control_.receive(message, passed)) {
          case ControlSocket::Received::nothing: return;
          case ControlSocket::Received::end:
            return end(Error(Errc::peer_failed, who() + " is gone: its process has ended or was killed", state_.rank));
          case ControlSocket::Received::message: hear(message, std::move(passed));
        }
      }
    } catch (const Error& error) {
      const std::string what = error.what();
      end(Error(error.code(), who() + ": " + what.substr(sizeof("ringcoll: ") - 1), state_.rank));
    }
  }

  /// Tells the peer, if it is connected or waits at the door, that this rank is done. For any thread.
  void leave(const detail::Notice& notice) {
    if (!control_ && pairing_) {
      if (std::optional<bootstrap::Socket> accepted = pairing_->take()) control_ = ControlSocket(std::move(*accepted));
    }
    if (!control_) return;
    ControlMessage message;
    message.kind = ControlMessage::notice;
    message.said = notice;
    control_.send(message);
    control_.say_no_more();
  }

 private:
  struct Channel {
    std::unique_ptr<detail::RingLink> link;
    ChannelMemory memory;
  };
  // A rank that already maps this much makes the smallest rings that work: with 15 peers it maps 45 MiB, with 127 peers
  // 230 MiB, and since each byte is shared by two ranks, that is half as much memory for each.
  static constexpr std::size_t many_bytes = 32 << 20;
  static constexpr std::size_t most_channels = 64;

  void start(bootstrap::Socket socket) {
    // Edges, not levels: the end of a peer that nobody needs must not keep the rank from sleeping.
    shared_.epoll.watch(socket.fd(), EPOLLIN | EPOLLRDHUP | EPOLLET, tag());
    control_ = ControlSocket(std::move(socket));
    ControlMessage hello;
    hello.kind = ControlMessage::hello;
    control_.send(hello, shared_.bell.get());  // if the peer is gone already, listen() will tell
    for (auto& [index, channel] : channels_) settle(index, channel);
    listen();
  }

  void hear(const ControlMessage& message, detail::Fd passed) {
    switch (message.kind) {
      case ControlMessage::hello:
        if (bell_ || !passed) break;
        bell_ = std::move(passed);
        for (auto& [index, channel] : channels_) settle(index, channel);
        return;
      case ControlMessage::open: {
        if (side_ == 0 || message.channel >= most_channels || !passed) break;
        Channel& channel = channels_[static_cast<int>(message.channel)];
        if (channel.memory) break;
        keep(channel, ChannelMemory::open(passed, message.ring_bytes));
        return settle(static_cast<int>(message.channel), channel);
      }
      case ControlMessage::notice:
        state_.cause = message.said.cause(shared_.size);
        state_.closed = true;
        return;
      default: break;
    }
    throw Error(Errc::protocol_error, "it sent a message that cannot be, of kind " + std::to_string(message.kind));
  }

  /// Does what the channel still lacks and is possible now.
  void settle(int index, Channel& channel) {
    if (!channel.link || channel.link->connected() || !control_ || state_.closed) return;
    if (side_ == 0 && !channel.memory) make_memory(index, channel);
    if (!channel.memory || !bell_) return;
    channel.link->connect(channel.memory.from(side_), channel.memory.from(1 - side_), detail::RingSizes::frame_bytes,
                          {&channel.memory.sleeping(1 - side_), bell_.get()});
    shared_.sleeping.push_back(&channel.memory.sleeping(side_));
  }

  void make_memory(int index, Channel& channel) {
    try {
      const bool many = shared_.memory_used >= many_bytes;
      auto [memory, fd] = ChannelMemory::create(detail::RingSizes::ring_bytes(index, many));
      ControlMessage open;
      open.kind = ControlMessage::open;
      open.channel = static_cast<std::uint32_t>(index);
      open.ring_bytes = memory.ring_bytes();
      keep(channel, std::move(memory));
      control_.send(open, fd.get());
    } catch (const Error& error) {
      end(error);
    }
  }
  void keep(Channel& channel, ChannelMemory memory) {
    shared_.memory_used += memory.bytes();
    channel.memory = std::move(memory);
  }

  void end(const Error& cause) {
    state_.cause = cause;
    state_.closed = true;
  }
  std::uint64_t tag() const { return static_cast<std::uint64_t>(state_.rank) + 1; }
  std::string who() const {
    return "rank " + std::to_string(state_.rank) + " (" + shared_.endpoint->address_of(world_peer_).process() + ")";
  }

  Shared& shared_;
  const int world_peer_;
  const int side_;  // 0: this is the lower rank of the two
  detail::PeerState state_;
  std::optional<bootstrap::Pairing> pairing_;  // until connected
  ControlSocket control_;
  detail::Fd bell_;  // the peer's
  std::map<int, Channel> channels_;
};

}  // namespace ringcoll::inline v0::shm
