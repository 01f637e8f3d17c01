// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ringcoll/bootstrap/dialer.hpp>
#include <ringcoll/bootstrap/endpoint.hpp>

namespace ringcoll::inline v0::bootstrap {

/// A connection that two ranks of a communicator both want, as one of them makes it: the lower rank dials, the higher
/// waits at the door. How long to wait for a slow peer is the caller's business; a dead one is noticed here.
class Pairing {
 public:
  /// `world_peer` is what the world calls the other of the two ranks in `purpose`.
  Pairing(std::shared_ptr<Endpoint> endpoint, const Purpose& purpose, int rank, int world_peer)
      : endpoint_(std::move(endpoint)), purpose_(purpose), dials_(purpose.from == rank), world_peer_(world_peer) {
    if (dials_) dial(purpose_);
  }

  /// Never waits. Returns the connection when it is made. Throws Error(peer_failed, auth_failed, …).
  std::optional<Socket> progress() {
    if (!dials_) {
      if (std::optional<Socket> arrived = take()) return arrived;
      if (watched_) return throw_if_hung_up();
      if (!dialer_ && Clock::now() - start_ < patience) return std::nullopt;
      if (!dialer_) dial(watch_purpose());
    }
    if (!advance()) return std::nullopt;
    if (dials_) {
      endpoint_->take(watch_purpose());  // and drop it
      return dialer_->take();
    }
    watched_ = dialer_->take();
    dialer_.reset();
    return std::nullopt;
  }

  /// Only looks whether a peer that dials has come.
  std::optional<Socket> take() { return dials_ ? std::nullopt : endpoint_->take(purpose_); }
  bool dials() const { return dials_; }

  /// Readable when progress() has something to do; -1 while that is up to the endpoint.
  int fd() const { return dialer_ ? dialer_->fd() : -1; }

 private:
  // Who waits for so long dials as well, a connection that carries nothing: that it is refused, or ends, tells that the
  // peer has died before it ever came.
  static constexpr std::chrono::seconds patience{1};

  Purpose watch_purpose() const {
    Purpose purpose = purpose_;
    std::swap(purpose.from, purpose.to);
    purpose.channel = -1 - purpose.channel;
    return purpose;
  }
  void dial(const Purpose& purpose) { dialer_.emplace(endpoint_, world_peer_, purpose); }

  bool advance() {
    try {
      return dialer_->progress();
    } catch (const Error& error) {
      if (error.code() != Errc::timeout) throw;
    }
    dial(dials_ ? purpose_ : watch_purpose());  // it is alive, but has not looked at its door: it computes
    return false;
  }

  std::optional<Socket> throw_if_hung_up() {
    char byte;
    const auto bytes = ::recv(watched_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (bytes < 0 && would_block(errno)) return std::nullopt;
    // Also closed by a peer that has dialed at last.
    if (std::optional<Socket> arrived = take()) return arrived;
    if (Clock::now() - (hung_up_ ? *hung_up_ : hung_up_.emplace(Clock::now())) < patience) return std::nullopt;
    throw Error(Errc::peer_failed,
                "rank " + std::to_string(purpose_.from) + " (" + endpoint_->address_of(world_peer_).process() +
                    ") is gone before it connected: its process has ended or was killed",
                purpose_.from);
  }

  std::shared_ptr<Endpoint> endpoint_;
  Purpose purpose_;
  bool dials_;
  int world_peer_;
  Clock::time_point start_ = Clock::now();
  std::optional<Dialer> dialer_;
  Socket watched_;
  std::optional<Clock::time_point> hung_up_;
};

}  // namespace ringcoll::inline v0::bootstrap
