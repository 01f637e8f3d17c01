// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>

namespace ringcoll::inline v0::bootstrap {

/// One place where a peer may listen.
struct Target {
  SocketAddress address;
  std::string text;  ///< for messages

  static Target unix_socket(const std::string& name) { return {unix_address(name), "unix:" + name}; }
  static Target tcp(const InetAddress& address) { return {address.socket_address(), address.to_string()}; }
};

/// Whom to connect to, and how long to try.
struct Call {
  Key key;
  Purpose purpose;
  std::uint64_t endpoint = 0;        ///< the id of who must answer; 0: anyone with the key
  std::vector<Target> targets = {};  ///< best first
  std::string whom = {};             ///< "rank 3 (node7:4711)"
  int rank = Error::nobody;          ///< of the peer, for errors
  std::chrono::nanoseconds deadline = std::chrono::seconds(60);
  /// How long a peer may refuse at all of its addresses before it counts as gone.
  std::chrono::nanoseconds gone_after = std::chrono::seconds(1);
};

/// An outgoing connection with its handshake. It never waits: call progress() when fd() is ready, and every 10 ms.
///
/// Addresses are tried in order, the next when one fails or has not answered for 250 ms, again and again with growing
/// pauses. The first that answers with the key wins; the others are dropped before they prove anything, so that the
/// peer never takes one of them for the connection.
class Dialer {
 public:
  static constexpr std::chrono::milliseconds head_start{250};

  explicit Dialer(Call call) : call_(std::move(call)), start_(Clock::now()), places_(call_.targets.size()) {}

  Dialer(std::shared_ptr<Endpoint> endpoint, int world_peer, const Purpose& purpose)
      : Dialer(call_to(*endpoint, world_peer, purpose)) {
    endpoint_ = std::move(endpoint);
  }

  /// True when connected and authenticated. Throws Error (peer_failed, auth_failed, protocol_error, timeout).
  bool progress() {
    if (connected_) return true;
    const Clock::time_point now = Clock::now();
    epoll_.collect([&](std::uint64_t i, std::uint32_t) { serve(static_cast<std::size_t>(i), now); });
    if (connected_) return true;
    start_next(now);
    if (!connected_) give_up_if_hopeless(now);
    return static_cast<bool>(connected_);
  }

  Socket take() { return std::move(connected_); }

  /// Waits for this one descriptor stand for those of all attempts.
  int fd() const { return epoll_.fd(); }
  std::uint32_t events() const { return EPOLLIN; }
  /// When progress() has something to do though fd() is silent: another try.
  Clock::time_point wake_at() const {
    Clock::time_point first = call_.deadline + start_;
    for (const Place& place : places_) {
      if (!place.socket)
        first = std::min(first, trying() ? std::max(place.retry_at, last_start_ + head_start) : place.retry_at);
    }
    return first;
  }

 private:
  /// What is known of one target.
  struct Place {
    Socket socket;  // while an attempt is under way
    std::optional<Handshake> handshake;
    bool connecting = false;
    Clock::time_point retry_at = {};
    std::chrono::milliseconds pause{1};
    int tries = 0;
    int rejections = 0;  // it took our hello and hung up without a word
    std::string outcome = "not tried yet";
  };
  static constexpr int rejections_to_believe = 3;

  static Call call_to(const Endpoint& endpoint, int world_peer, const Purpose& purpose) {
    const Address& peer = endpoint.address_of(world_peer);
    Call call{.key = endpoint.key(),
              .purpose = purpose,
              .endpoint = peer.id,
              .whom = "rank " + std::to_string(world_peer) + " (" + peer.process() + ")",
              .rank = purpose.to,
              .deadline = endpoint.deadline()};
    if (purpose.via == Via::unix_socket) {
      if (!peer.unix_name.empty()) call.targets.push_back(Target::unix_socket(peer.unix_name));
    } else {
      for (InetAddress address : peer.tcp) {
        // A link-local address needs one of our interfaces: the one that we would be reached at.
        if (address.v6 && address.is_link_local()) {
          for (const InetAddress& own : endpoint.address().tcp) address.scope = own.scope;
        }
        call.targets.push_back(Target::tcp(address));
      }
    }
    return call;
  }

  bool trying() const {
    return std::any_of(places_.begin(), places_.end(), [](const Place& p) { return static_cast<bool>(p.socket); });
  }
  bool committed() const {
    return std::any_of(places_.begin(), places_.end(),
                       [](const Place& p) { return p.socket && p.handshake->committed(); });
  }

  void start_next(Clock::time_point now) {
    while (!connected_ && !committed() && (!trying() || now - last_start_ >= head_start)) {
      const auto next =
          std::find_if(places_.begin(), places_.end(), [&](const Place& p) { return !p.socket && p.retry_at <= now; });
      if (next == places_.end()) return;
      last_start_ = now;
      start(static_cast<std::size_t>(next - places_.begin()), now);
    }
  }

  void start(std::size_t i, Clock::time_point now) {
    Place& place = places_[i];
    const SocketAddress& address = call_.targets[i].address;
    ++place.tries;
    place.socket = open_socket(address.family());
    if (!place.socket) {
      if (is_exhaustion(errno)) throw_system("connect to " + call_.whom);
      return failed(place, system_text(errno), now);
    }
    place.handshake = Handshake::client(call_.key, call_.purpose, call_.endpoint);
    place.connecting = ::connect(place.socket.fd(), address.get(), address.bytes) != 0;
    if (place.connecting && errno != EINPROGRESS && errno != EINTR) return failed(place, system_text(errno), now);
    if (place.connecting) place.outcome = "no answer to the attempt to connect";
    epoll_.watch(place.socket.fd(), EPOLLOUT, i);
    if (!place.connecting) serve(i, now);
  }

  void serve(std::size_t i, Clock::time_point now) {
    Place& place = places_[i];
    if (!place.socket) return;
    if (place.connecting) {
      int code = 0;
      socklen_t bytes = sizeof code;
      ::getsockopt(place.socket.fd(), SOL_SOCKET, SO_ERROR, &code, &bytes);
      if (code != 0) return failed(place, system_text(code), now);
      place.connecting = false;
      place.outcome = "connected, but it does not answer";
    }
    if (call_.targets[i].address.family() == AF_UNIX && !same_user(place.socket)) {
      place.rejections = rejections_to_believe;
      return failed(place, "the process there belongs to another user", now);
    }
    Handshake& handshake = *place.handshake;
    const int broken = detail::advance(handshake, place.socket);
    if (handshake.committed()) drop_others(i);
    if (handshake.state() == Handshake::State::done) {
      epoll_.forget(place.socket.fd());
      connected_ = std::move(place.socket);
      return;
    }
    if (handshake.state() == Handshake::State::failed) return refused(place, now);
    if (broken == 0) return epoll_.watch(place.socket.fd(), handshake.output().empty() ? EPOLLIN : EPOLLOUT, i);
    if (handshake.peer_proved() || !handshake.output().empty())
      return failed(place, broken > 0 ? system_text(broken) : "it closed the connection", now);
    ++place.rejections;
    failed(place, "it closed the connection without an answer, as one does that has another key", now);
  }

  /// The handshake itself went wrong.
  void refused(Place& place, Clock::time_point now) {
    const Handshake& handshake = *place.handshake;
    if (handshake.why() == Handshake::Why::other_version)
      throw Error(Errc::protocol_error,
                  call_.whom + " speaks version " + std::to_string(handshake.peer_version()) +
                      " of ringcoll's protocol, this rank version " + std::to_string(protocol_version) +
                      ": build all ranks with the same ringcoll",
                  call_.rank);
    if (handshake.why() == Handshake::Why::other_endpoint)
      return failed(place, "another process of this job listens there", now);
    place.rejections = rejections_to_believe;
    failed(place, "what listens there is not ringcoll, or has another key", now);
  }

  void failed(Place& place, std::string outcome, Clock::time_point now) {
    place.socket.close();
    place.outcome = std::move(outcome);
    place.retry_at = now + place.pause;
    place.pause = std::min(2 * place.pause, std::chrono::milliseconds(250));
    last_start_ = {};
  }

  void drop_others(std::size_t winner) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (i != winner) places_[i].socket.close();
    }
  }

  void give_up_if_hopeless(Clock::time_point now) {
    const bool tried = std::all_of(places_.begin(), places_.end(), [](const Place& p) { return p.tries > 0; });
    if (places_.empty())
      throw Error(Errc::peer_failed, "connect to " + call_.whom + ": it has told no address", call_.rank);
    if (now - start_ > call_.deadline)
      fail(Errc::timeout, "is it running, is this its address, and does a firewall let us through?");
    if (trying() || !tried) return;
    if (std::any_of(places_.begin(), places_.end(),
                    [](const Place& p) { return p.rejections >= rejections_to_believe; }))
      fail(Errc::auth_failed,
           "the two ranks do not have the same key; check RINGCOLL_SECRET_FILE on both, and that "
           "nothing else listens there");
    if (now - start_ > call_.gone_after) fail(Errc::peer_failed, "has that process exited?");
  }

  [[noreturn]] void fail(Errc code, const char* conclusion) const {
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
    std::string what = "connect to " + call_.whom + " from " + host_name() + ":" + std::to_string(::getpid()) + ":";
    for (std::size_t i = 0; i < places_.size(); ++i)
      what += (i == 0 ? " " : "; ") + call_.targets[i].text + ": " + places_[i].outcome;
    throw Error(code, what + " (after " + std::to_string(waited) + " ms): " + conclusion, call_.rank);
  }

  Call call_;
  std::shared_ptr<Endpoint> endpoint_;
  ringcoll::detail::Epoll epoll_;
  Clock::time_point start_, last_start_ = {};
  std::vector<Place> places_;
  Socket connected_;
};

}  // namespace ringcoll::inline v0::bootstrap
