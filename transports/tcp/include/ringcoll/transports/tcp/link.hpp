// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>
#include <ringcoll/bootstrap/pairing.hpp>
#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/transports/tcp/stream.hpp>

namespace ringcoll::inline v0::tcp {

using Clock = std::chrono::steady_clock;

class TcpLink;

/// What all links of a transport share.
struct Shared {
  std::shared_ptr<bootstrap::Endpoint> endpoint;
  int size = 0;
  std::size_t frame_bytes = 0, slots = 0;
  detail::Epoll epoll;
  std::vector<TcpLink*> busy;  // links that have something to do without their caller; has room for all links
};

/// One connection to a peer for one channel, from its dialing to its end.
///
/// The sender's messages lie in a buffer until the kernel takes them; the kernel writes what arrives into the buffer
/// where `peek` finds it. A spinning caller is quickest, so each call tries the socket itself. The mutex is for
/// `close`, which may come from another thread; else nobody contends for it.
class TcpLink final : public Link {
 public:
  TcpLink(Shared& shared, const bootstrap::Purpose& purpose, int rank, int world_peer)
      : shared_(shared), world_peer_(world_peer) {
    peer_.rank = purpose.from == rank ? purpose.to : purpose.from;
    list();
    try {
      pairing_.emplace(shared.endpoint, purpose, rank, world_peer);
      if (pairing_->fd() >= 0) shared_.epoll.watch(pairing_->fd(), EPOLLIN);
    } catch (const Error& error) {
      end(error);
    }
  }

  Slot reserve(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (!usable()) return {};
    flush_or_list();
    if (send_failed_) end_with_last_words();
    if (peer_.closed) peer_.throw_closed();
    const Slot slot = out_.reserve(bytes);
    if (!slot && receive()) hear_notice();  // it may have left, and said why
    return slot;
  }

  void publish() override {
    const std::lock_guard lock(mutex_);
    if (left_) return;
    out_.publish();
    sent_since_check_ = true;
    flush_or_list();
  }

  Slot peek() override {
    const std::lock_guard lock(mutex_);
    if (current_) return current_;
    if (!usable()) return {};
    flush_or_list();
    do {
      if (next_message()) return current_;
      if (peer_.closed) peer_.throw_closed();
    } while (receive());
    if (peer_.closed) peer_.throw_closed();
    wanted_ = true;
    return {};
  }

  void release() override {
    const std::lock_guard lock(mutex_);
    current_ = {};
    in_.pop();
  }

  /// Goes on connecting and sending. True while there is more to do.
  bool advance() {
    const std::lock_guard lock(mutex_);
    if (connected()) flush();
    else if (!peer_.closed && !left_) connect();
    listed_ = connected() ? !out_.empty() && !send_failed_ : !peer_.closed && !left_;
    return listed_;
  }

  bool has_unsent() {
    const std::lock_guard lock(mutex_);
    return connected() && !out_.empty() && !send_failed_;
  }

  /// Called every `beat_every`: if somebody waits for this peer, makes sure that its kernel still answers.
  void check() {
    const std::lock_guard lock(mutex_);
    if (!connected() || peer_.closed || left_) return;
    const bool wanted = std::exchange(wanted_, false) || !out_.empty(), idle = !std::exchange(sent_since_check_, false);
    if (!wanted) return;
    tcp_info info{};
    socklen_t bytes = sizeof info;
    if (::getsockopt(socket_.fd(), IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return;
    // TCP_USER_TIMEOUT is of no use here: it also ends a connection to a peer that is alive but does not read for a
    // while. Its kernel answers all the same, so silence counts only if repeated attempts to be heard found no answer.
    if (info.tcpi_last_ack_recv > silence_ms && (info.tcpi_retransmits >= 2 || info.tcpi_probes >= 2))
      return end(Error(Errc::peer_failed,
                       who() + " is unreachable: its machine has not answered for " +
                           std::to_string(info.tcpi_last_ack_recv) + " ms; is the network between the two broken?",
                       peer_.rank));
    if (idle && out_.empty()) send_beat();
  }
  static constexpr std::chrono::milliseconds beat_every{200};

  /// First step of leaving: from now on the link belongs to close().
  void leave(const detail::Notice& notice) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(left_, true)) return;
    if (pairing_ && !pairing_->dials() && !peer_.closed) connect();  // the peer may have come, and be waiting
    last_words_.head.bytes = sizeof notice;
    last_words_.head.kind = FrameHead::notice;
    last_words_.notice = notice;
  }
  /// True when all that was published, and the notice, are with the kernel, or never will be.
  bool said_all() {
    const std::lock_guard lock(mutex_);
    if (!connected() || send_failed_) return true;
    flush();
    if (!out_.empty() && !send_failed_) return false;
    while (!send_failed_ && last_words_sent_ < sizeof last_words_) {
      const auto sent = send(reinterpret_cast<const std::byte*>(&last_words_) + last_words_sent_,
                             sizeof last_words_ - last_words_sent_);
      if (sent == 0) return false;
      last_words_sent_ += sent;
    }
    if (!std::exchange(shut_, true)) ::shutdown(socket_.fd(), SHUT_WR);
    return send_failed_ || acknowledged();
  }
  void hang_up() {
    const std::lock_guard lock(mutex_);
    if (connected() && !std::exchange(shut_, true)) ::shutdown(socket_.fd(), SHUT_WR);
  }

 private:
  static constexpr std::uint32_t silence_ms = 1000;

  struct LastWords {
    FrameHead head{};
    detail::Notice notice;
    std::byte padding[frame_size(sizeof(detail::Notice)) - sizeof(FrameHead) - sizeof(detail::Notice)] = {};
  };
  static_assert(sizeof(LastWords) == frame_size(sizeof(detail::Notice)));

  bool connected() const { return static_cast<bool>(socket_); }

  bool usable() {
    if (left_) throw Error(Errc::aborted, "this rank has closed its connections");
    if (connected() || (!peer_.closed && connect())) return true;
    if (peer_.closed) peer_.throw_closed();
    return false;
  }

  /// Goes on connecting. True when done.
  bool connect() {
    try {
      if (std::optional<bootstrap::Socket> socket = pairing_->progress()) {
        pairing_.reset();
        start(std::move(*socket));
      }
    } catch (const Error& error) {
      pairing_.reset();
      end(error);
    }
    return connected();
  }

  void start(bootstrap::Socket socket) {
    const int on = 1, idle_seconds = 1, interval_seconds = 1, probes = 3;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // For a rank that only waits: the kernel asks, and where nobody is the connection breaks after some 4 s.
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    out_ = SendBuffer(shared_.frame_bytes, shared_.slots);
    in_ = ReceiveBuffer(shared_.frame_bytes);
    address_ = bootstrap::detail::peer_name(socket);
    // Between processes of one machine there is no congestion to control, and BBR, which many systems use, halves what
    // a connection carries by pacing it: 8 GB/s instead of 3 to 4 with frames of 256 KiB.
    if (stays_on_this_machine(socket)) ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    // Edges, not levels: a message that nobody wants yet must not keep the rank from sleeping.
    shared_.epoll.watch(socket.fd(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    socket_ = std::move(socket);
  }

  /// Whether the peer's kernel has all, or never will: closing a socket with unread input resets the connection, and
  /// that could overtake what is on its way.
  bool acknowledged() const {
    tcp_info info{};
    socklen_t bytes = sizeof info;
    int missing = 0;
    return ::getsockopt(socket_.fd(), IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0 || info.tcpi_state == TCP_CLOSE ||
           ::ioctl(socket_.fd(), TIOCOUTQ, &missing) != 0 || missing == 0;
  }

  static bool stays_on_this_machine(const bootstrap::Socket& socket) {
    bootstrap::SocketAddress own, peer;
    own.bytes = peer.bytes = sizeof own.storage;
    if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own.storage), &own.bytes) != 0 ||
        ::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.bytes) != 0 ||
        own.family() == AF_UNIX)
      return false;
    bootstrap::InetAddress a = bootstrap::InetAddress::from(own.get()), b = bootstrap::InetAddress::from(peer.get());
    a.port = b.port = 0;
    return a == b;
  }

  /// Bytes taken by the kernel.
  std::size_t send(const std::byte* data, std::size_t bytes) {
    const auto sent = ::send(socket_.fd(), data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !bootstrap::would_block(errno)) broken(errno);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  void flush() {
    if (out_.empty() || send_failed_) return;
    iovec parts[2];
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<std::size_t>(out_.pending(parts));
    const auto sent = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) out_.sent(static_cast<std::size_t>(sent));
    if (sent < 0 && !bootstrap::would_block(errno)) broken(errno);
  }
  void flush_or_list() {
    flush();
    if (!out_.empty()) list();
  }
  void list() {
    if (!std::exchange(listed_, true)) shared_.busy.push_back(this);
  }
  void broken(int code) {
    send_failed_ = true;
    if (code != EPIPE) broken_by_ = code;
  }

  void send_beat() {
    FrameHead beat{};
    beat.kind = FrameHead::beat;
    const std::size_t sent = send(reinterpret_cast<const std::byte*>(&beat), sizeof beat);
    // A socket that has room takes 32 bytes at once; should one ever not, the stream is beyond repair.
    if (sent != 0 && sent != sizeof beat) broken(EMSGSIZE);
  }

  /// Reads once. True if anything came, be it the end.
  bool receive() {
    if (at_end_) return false;
    const auto room = in_.room(static_cast<bool>(current_));
    if (room.empty()) return false;
    const auto bytes = ::recv(socket_.fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      in_.received(static_cast<std::size_t>(bytes));
      return true;
    }
    if (bytes < 0 && bootstrap::would_block(errno)) return false;
    if (bytes < 0) broken_by_ = errno;
    at_end_ = true;
    end_with_last_words();
    return true;
  }

  /// Makes the next message current, and hears what else the peer says before it.
  bool next_message() {
    try {
      while (const FrameHead* head = in_.frame()) {
        if (head->kind == FrameHead::message) {
          current_ = {const_cast<Header*>(&head->header), in_.payload(), head->bytes};
          return true;
        }
        if (head->kind == FrameHead::notice) {
          end_as_told(in_.payload());
          return false;
        }
        in_.pop();
      }
    } catch (const Error& error) {
      refuse(error);
    }
    return false;
  }

  void end(const Error& cause) {
    if (peer_.closed) return;
    peer_.cause = cause;
    peer_.closed = true;
  }
  void end_as_told(const std::byte* bytes) {
    if (peer_.closed) return;
    detail::Notice notice;
    std::memcpy(&notice, bytes, sizeof notice);
    peer_.cause = notice.cause(shared_.size);
    peer_.closed = true;
  }
  void refuse(const Error& error) {
    at_end_ = true;
    end(Error(error.code(), who() + ": " + std::string(error.what()).substr(sizeof("ringcoll: ") - 1), peer_.rank));
  }
  void hear_notice() {
    try {
      if (const std::byte* notice = in_.find_notice()) end_as_told(notice);
    } catch (const Error& error) {
      refuse(error);
    }
  }
  /// The connection is over: for the reason that the peer gave last, if it gave one.
  void end_with_last_words() {
    while (!peer_.closed && receive()) continue;
    hear_notice();
    if (peer_.closed) return;
    const std::string how = broken_by_ == 0 ? "the connection ended without a goodbye"
                                            : "the connection broke (" + bootstrap::system_text(broken_by_) + ")";
    end(Error(Errc::peer_failed, who() + " is gone: " + how + "; its process has ended or was killed", peer_.rank));
  }

  std::string who() const {
    return "rank " + std::to_string(peer_.rank) + " (" + shared_.endpoint->address_of(world_peer_).process() + ", " +
           address_ + ")";
  }

  Shared& shared_;
  const int world_peer_;
  std::mutex mutex_;  // of all below
  detail::PeerState peer_;
  std::optional<bootstrap::Pairing> pairing_;  // until connected
  bootstrap::Socket socket_;
  std::string address_;
  SendBuffer out_;
  ReceiveBuffer in_;
  Slot current_;
  bool at_end_ = false;       // nothing more to read
  bool send_failed_ = false;  // nothing more can be sent
  int broken_by_ = 0;         // errno
  bool wanted_ = false;       // since the last check somebody waited for a message
  bool sent_since_check_ = false;
  bool listed_ = false;               // as busy
  bool left_ = false, shut_ = false;  // by close()
  LastWords last_words_;
  std::size_t last_words_sent_ = 0;
};

}  // namespace ringcoll::inline v0::tcp
