// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/address.hpp>
#include <ringcoll/bootstrap/handshake.hpp>

namespace ringcoll::inline v0::bootstrap {

namespace detail {

/// Sends and receives as much of a handshake as the socket takes now. Returns 0 while there is nothing wrong, the errno
/// of a connection that broke, or -1 if its end was reached.
inline int advance(Handshake& handshake, const Socket& socket) {
  while (handshake.state() == Handshake::State::running) {
    const auto out = handshake.output();
    const auto in = handshake.input();
    const auto bytes = out.empty() ? ::recv(socket.fd(), in.data(), in.size(), 0)
                                   : ::send(socket.fd(), out.data(), out.size(), MSG_NOSIGNAL);
    if (bytes < 0) return would_block(errno) ? 0 : errno;
    if (bytes == 0) return -1;
    out.empty() ? handshake.received(static_cast<std::size_t>(bytes)) : handshake.sent(static_cast<std::size_t>(bytes));
  }
  return 0;
}

/// Who is at the other end of a socket, for messages.
inline std::string peer_name(const Socket& socket) {
  SocketAddress peer;
  peer.bytes = sizeof peer.storage;
  if (::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.bytes) != 0) return "?";
  return peer.family() == AF_UNIX ? "this host" : InetAddress::from(peer.get()).to_string();
}

}  // namespace detail

/// Listeners and the handshakes of those who came. Strangers are counted and dropped; nothing that they do makes it
/// wait or throw. One thread at a time.
class Acceptor {
 public:
  static constexpr std::size_t max_strangers = 64;  ///< connections that have not proved anything yet
  static constexpr std::chrono::seconds patience{5};
  /// With all places taken, one that has been silent for so long makes room.
  static constexpr std::chrono::milliseconds crowded_patience{250};

  /// A connection that has proved itself.
  struct Arrival {
    Socket socket;
    Purpose purpose;
    std::string from;
  };

  Acceptor(const Key& key, std::uint64_t id) : key_(key), id_(id) {}

  /// For those who come from now on.
  void adopt(const Key& key) { key_ = key; }

  void add(Socket listener) {
    epoll_.watch(listener.fd(), EPOLLIN, listeners_.size());
    listeners_.push_back(std::move(listener));
  }

  /// Readable when progress() has something to do; after 250 ms and 5 s it also has, so look again now and then.
  int fd() const { return epoll_.fd(); }

  void progress() {
    const Clock::time_point now = Clock::now();
    epoll_.collect([&](std::uint64_t id, std::uint32_t) { id < first_guest ? accept(id, now) : serve(id); });
    std::erase_if(guests_, [&](const Guest& g) {
      const bool late = now - g.since > patience;
      strangers_ += late;
      return late;
    });
    if (paused_ && now >= paused_until_ && make_room(now)) listen(true);
  }

  /// The first connection whose purpose is `wanted`, if one has come.
  template <class Wanted>
  std::optional<Arrival> take(const Wanted& wanted) {
    for (auto a = arrivals_.begin(); a != arrivals_.end(); ++a) {
      if (!wanted(a->purpose)) continue;
      std::optional<Arrival> result(std::move(*a));
      arrivals_.erase(a);
      return result;
    }
    return std::nullopt;
  }

  /// Connections that were dropped because they did not know the key, or said nothing.
  std::uint64_t strangers() const { return strangers_; }
  /// A rank of our job that has another version of ringcoll, if one came.
  const std::string& other_version() const { return other_version_; }

 private:
  struct Guest {
    std::uint64_t id;
    Socket socket;
    Handshake handshake;
    std::uint32_t events;
    Clock::time_point since;
  };
  static constexpr std::uint64_t first_guest = 1024;  // epoll ids below are listeners

  void accept(std::uint64_t listener, Clock::time_point now) {
    // Bounded, so that a flood cannot keep us here.
    for (std::size_t i = 0; i < max_strangers; ++i) {
      if (!make_room(now)) return pause(now);
      const Socket& from = listeners_[static_cast<std::size_t>(listener)];
      Socket socket(::accept4(from.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) {
        if (is_exhaustion(errno)) pause(now + std::chrono::milliseconds(50));
        return;
      }
      int domain = 0;
      socklen_t bytes = sizeof domain;
      ::getsockopt(socket.fd(), SOL_SOCKET, SO_DOMAIN, &domain, &bytes);
      const int on = 1;
      if (domain == AF_UNIX ? !same_user(socket)
                            : ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        ++strangers_;
        continue;
      }
      const std::uint64_t id = next_guest_++;
      epoll_.watch(socket.fd(), EPOLLIN, id);
      guests_.push_back({id, std::move(socket), Handshake::server(key_, id_), EPOLLIN, now});
      serve(id);  // most have said hello already
    }
  }

  void serve(std::uint64_t id) {
    const auto guest = std::find_if(guests_.begin(), guests_.end(), [&](const Guest& g) { return g.id == id; });
    if (guest == guests_.end()) return;
    const int broken = detail::advance(guest->handshake, guest->socket);
    const Handshake& h = guest->handshake;
    if (h.state() == Handshake::State::running && broken == 0) {
      const std::uint32_t events = h.output().empty() ? EPOLLIN : EPOLLOUT;
      if (events != guest->events) epoll_.watch(guest->socket.fd(), guest->events = events, id);
      return;
    }
    if (h.state() == Handshake::State::done) {
      arrive(*guest);
    } else if (h.why() == Handshake::Why::other_version) {
      other_version_ = "rank " + std::to_string(h.purpose().from) + " (" + detail::peer_name(guest->socket) +
                       ") speaks version " + std::to_string(h.peer_version()) + " of ringcoll's protocol, this rank " +
                       std::to_string(protocol_version);
    } else {
      ++strangers_;
    }
    guests_.erase(guest);
  }

  void arrive(Guest& guest) {
    epoll_.forget(guest.socket.fd());
    Arrival arrival{std::move(guest.socket), guest.handshake.purpose(), {}};
    arrival.from = detail::peer_name(arrival.socket);
    arrivals_.push_back(std::move(arrival));
  }

  bool make_room(Clock::time_point now) {
    if (guests_.size() < max_strangers) return true;
    // The oldest comes first.
    const auto idle = std::find_if(guests_.begin(), guests_.end(), [&](const Guest& g) {
      return now - g.since > crowded_patience && !g.handshake.peer_proved();
    });
    if (idle == guests_.end()) return false;
    guests_.erase(idle);
    ++strangers_;
    return true;
  }

  /// Leaves those who knock outside until there is room (they wait in the listener's queue).
  void pause(Clock::time_point until) {
    paused_until_ = until;
    if (!paused_) listen(false);
  }
  void listen(bool on) {
    paused_ = !on;
    for (std::size_t i = 0; i < listeners_.size(); ++i) epoll_.watch(listeners_[i].fd(), on ? EPOLLIN : 0u, i);
  }

  Key key_;
  std::uint64_t id_;
  ringcoll::detail::Epoll epoll_;
  std::vector<Socket> listeners_;
  std::vector<Guest> guests_;
  std::vector<Arrival> arrivals_;
  std::uint64_t next_guest_ = first_guest;
  std::uint64_t strangers_ = 0;
  std::string other_version_;
  bool paused_ = false;
  Clock::time_point paused_until_ = {};
};

}  // namespace ringcoll::inline v0::bootstrap
