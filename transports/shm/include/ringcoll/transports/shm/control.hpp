// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <ringcoll/bootstrap/socket.hpp>
#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/notice.hpp>
#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::shm {

/// What the two ends of a pair tell each other on their unix socket; its end means that the peer's process is gone.
struct ControlMessage {
  enum Kind : std::uint32_t {
    hello = 1,   ///< with the sender's bell
    open = 2,    ///< a channel, with its memory
    notice = 3,  ///< the last message
  };

  std::uint32_t kind = 0;
  std::uint32_t channel = 0;
  std::uint64_t ring_bytes = 0;
  detail::Notice said;
};
static_assert(std::is_trivially_copyable_v<ControlMessage>);

/// Sends and receives whole control messages, each with at most one descriptor.
class ControlSocket {
 public:
  ControlSocket() = default;
  explicit ControlSocket(bootstrap::Socket socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.fd(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }

  /// False if it could not be sent: the peer is gone, or is drowned in messages, which no rank of ours sends.
  bool send(const ControlMessage& message, int passed = -1) const noexcept {
    iovec part{const_cast<ControlMessage*>(&message), sizeof message};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (passed >= 0) {
      header.msg_control = room;
      header.msg_controllen = sizeof room;
      cmsghdr* const rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    }
    return ::sendmsg(socket_.fd(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof message);
  }
  void say_no_more() const noexcept { ::shutdown(socket_.fd(), SHUT_WR); }

  enum class Received { nothing, message, end };

  /// The next message if all of it is here, with what was passed along.
  Received receive(ControlMessage& message, detail::Fd& passed) {
    for (;;) {
      iovec part{reinterpret_cast<char*>(&incoming_) + received_, sizeof incoming_ - received_};
      alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
      msghdr header{};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      header.msg_control = room;
      header.msg_controllen = sizeof room;
      const auto bytes = ::recvmsg(socket_.fd(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0 && bootstrap::would_block(errno)) return Received::nothing;
      if (bytes <= 0) return Received::end;
      keep_passed(header);
      received_ += static_cast<std::size_t>(bytes);
      if (received_ < sizeof incoming_) continue;
      received_ = 0;
      message = incoming_;
      passed = std::exchange(passed_, {});
      return Received::message;
    }
  }

 private:
  void keep_passed(msghdr& header) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(c) + (at - CMSG_LEN(0)), sizeof fd);
        passed_ = detail::Fd(fd);  // closes what came before it
      }
    }
  }

  bootstrap::Socket socket_;
  ControlMessage incoming_;
  std::size_t received_ = 0;
  detail::Fd passed_;
};

}  // namespace ringcoll::inline v0::shm
