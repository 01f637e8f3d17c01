// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::bootstrap {

using Clock = std::chrono::steady_clock;

/// The system's own words for an errno value.
inline std::string system_text(int code) { return std::generic_category().message(code); }

/// Descriptors or memory ran out: a pause may help, another address will not.
constexpr bool is_exhaustion(int code) { return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS; }

[[noreturn]] inline void throw_system(const std::string& what, int code = errno) {
  errno = code;
  throw ringcoll::detail::system_error(what);
}

/// A socket, closed at the end of its life. Ours never block and never survive an exec.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = other.release();
    }
    return *this;
  }
  ~Socket() { close(); }

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) ::close(release());
  }

 private:
  int fd_ = -1;
};

/// Where a socket connects to or listens: IPv4, IPv6 or abstract unix, as the system wants it.
struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t bytes = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

/// Longest name of an abstract unix socket: sun_path without the leading 0 that makes it abstract.
inline constexpr std::size_t max_unix_name = sizeof(sockaddr_un::sun_path) - 1;

inline SocketAddress unix_address(const std::string& name) {
  if (name.empty() || name.size() > max_unix_name)
    throw Error(Errc::invalid_argument, "the name of a unix socket has 1 to " + std::to_string(max_unix_name) +
                                            " characters, this one " + std::to_string(name.size()));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  SocketAddress result;
  result.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  std::memcpy(&result.storage, &address, result.bytes);
  return result;
}

/// A stream socket. Empty, with errno set, if the system has none to give (no IPv6, no descriptors).
inline Socket open_socket(int family) {
  Socket s(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Small messages leave at once: a collective's step waits for nothing behind it.
  const int on = 1;
  if (s && family != AF_UNIX) ::setsockopt(s.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return s;
}

/// Bound and listening. Empty, with errno set, if that was not possible.
inline Socket listen_at(const SocketAddress& address) {
  Socket s = open_socket(address.family());
  if (!s) return s;
  const int on = 1;
  if (address.family() != AF_UNIX) ::setsockopt(s.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // IPv4 has listeners of its own.
  if (address.family() == AF_INET6) ::setsockopt(s.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(s.fd(), address.get(), address.bytes) == 0 && ::listen(s.fd(), SOMAXCONN) == 0) return s;
  const int code = errno;
  s.close();
  errno = code;
  return s;
}

/// True if the process at the other end of a unix socket belongs to our user.
inline bool same_user(const Socket& s) {
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  return ::getsockopt(s.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == ::geteuid();
}

inline bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR; }

}  // namespace ringcoll::inline v0::bootstrap
