// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/bootstrap/bytes.hpp>
#include <ringcoll/bootstrap/socket.hpp>

namespace ringcoll::inline v0::bootstrap {

/// One IPv4 or IPv6 address and a port; printed as "10.0.0.1:4100" or "[::1]:4100".
struct InetAddress {
  std::uint8_t ip[16] = {};  ///< network order; IPv4 is the first four
  bool v6 = false;
  std::uint16_t port = 0;
  std::uint32_t scope = 0;  ///< interface of an IPv6 link-local address; means nothing to other hosts

  static InetAddress from(const sockaddr* address) {
    InetAddress result;
    if (address->sa_family == AF_INET6) {
      sockaddr_in6 in = {};
      std::memcpy(&in, address, sizeof in);
      std::memcpy(result.ip, &in.sin6_addr, 16);
      result.v6 = true;
      result.port = ntohs(in.sin6_port);
      result.scope = in.sin6_scope_id;
    } else {
      sockaddr_in in = {};
      std::memcpy(&in, address, sizeof in);
      std::memcpy(result.ip, &in.sin_addr, 4);
      result.port = ntohs(in.sin_port);
    }
    return result;
  }
  static InetAddress loopback(bool v6 = false) {
    InetAddress result;
    result.v6 = v6;
    if (v6) {
      result.ip[15] = 1;
    } else {
      result.ip[0] = 127;
      result.ip[3] = 1;
    }
    return result;
  }

  SocketAddress socket_address() const {
    SocketAddress result;
    if (v6) {
      sockaddr_in6 in = {};
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(port);
      in.sin6_scope_id = scope;
      std::memcpy(&in.sin6_addr, ip, 16);
      result.bytes = sizeof in;
      std::memcpy(&result.storage, &in, sizeof in);
    } else {
      sockaddr_in in = {};
      in.sin_family = AF_INET;
      in.sin_port = htons(port);
      std::memcpy(&in.sin_addr, ip, 4);
      result.bytes = sizeof in;
      std::memcpy(&result.storage, &in, sizeof in);
    }
    return result;
  }

  bool is_loopback() const {
    static constexpr std::uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return v6 ? std::memcmp(ip, one, 16) == 0 : ip[0] == 127;
  }
  bool is_link_local() const { return v6 ? ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80 : ip[0] == 169 && ip[1] == 254; }

  std::string to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(v6 ? AF_INET6 : AF_INET, ip, text, sizeof text);
    return (v6 ? "[" + std::string(text) + "]" : std::string(text)) + ":" + std::to_string(port);
  }
  friend bool operator==(const InetAddress&, const InetAddress&) = default;
};

namespace detail {

/// 64-bit FNV-1a with a final mix: names things, keeps no secrets.
inline std::uint64_t name_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ hash >> 32;
}

inline std::string read_line(const char* path) {
  char line[128];
  const ringcoll::detail::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  const auto bytes = file ? ::read(file.get(), line, sizeof line) : 0;
  std::string_view text(line, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace detail

/// Equal exactly for ranks that can share memory: same running kernel, same network namespace (abstract unix sockets
/// live there), same user. RINGCOLL_HOSTID can only make hosts look different, which tests want.
inline std::uint64_t host_id() {
  struct stat net = {};
  ::stat("/proc/self/ns/net", &net);
  const char* override = std::getenv("RINGCOLL_HOSTID");
  return detail::name_hash(detail::read_line("/proc/sys/kernel/random/boot_id") + "/" + std::to_string(net.st_ino) +
                           "/" + std::to_string(::geteuid()) + "/" + (override != nullptr ? override : ""));
}

inline constexpr std::size_t max_hostname = 64;
inline constexpr std::size_t max_tcp_addresses = 8;

inline std::string host_name() {
  char name[max_hostname + 1] = {};
  ::gethostname(name, max_hostname);
  return printable(name, max_hostname);
}

/// Where a rank listens: what ranks exchange at bootstrap.
struct Address {
  std::uint64_t host = 0;  ///< equal exactly for ranks that can share memory, see host_id()
  std::uint64_t id = 0;    ///< random, so that a stale or foreign listener at one of our addresses is noticed
  std::int32_t pid = 0;
  std::string hostname;          ///< for messages, printable
  std::string unix_name;         ///< abstract unix socket; empty: none
  std::vector<InetAddress> tcp;  ///< candidates in order of preference

  /// "node7:4711", for messages.
  std::string process() const { return hostname + ":" + std::to_string(pid); }

  void write(Bytes& out) const {
    Writer w(out);
    w.number(host, 8);
    w.number(id, 8);
    w.number(static_cast<std::uint32_t>(pid), 4);
    w.text(hostname);
    w.text(unix_name);
    w.number(tcp.size(), 1);
    for (const InetAddress& a : tcp) {
      w.number(a.v6 ? 6 : 4, 1);
      w.bytes(std::as_bytes(std::span(a.ip, a.v6 ? 16 : 4)));
      w.number(a.port, 2);
    }
  }

  static Address read(Reader& r) {
    Address result;
    result.host = r.number(8);
    result.id = r.number(8);
    result.pid = r.integer();
    result.hostname = printable(r.text(max_hostname), max_hostname);
    result.unix_name = r.text(max_unix_name);
    const auto count = static_cast<std::size_t>(r.number(1));
    if (count > max_tcp_addresses) r.refuse("lists " + std::to_string(count) + " addresses");
    for (std::size_t i = 0; i < count; ++i) {
      InetAddress a;
      const auto version = r.number(1);
      if (version != 4 && version != 6) r.refuse("has an address of IP version " + std::to_string(version));
      a.v6 = version == 6;
      const auto ip = r.bytes(a.v6 ? 16 : 4);
      std::memcpy(a.ip, ip.data(), ip.size());
      a.port = static_cast<std::uint16_t>(r.number(2));
      result.tcp.push_back(a);
    }
    return result;
  }

  Bytes to_bytes() const {
    Bytes out;
    write(out);
    return out;
  }
  /// Throws Error(protocol_error) unless `in` is exactly one address.
  static Address from_bytes(std::span<const std::byte> in) {
    Reader r(in, "an address");
    Address result = read(r);
    if (r.left() != 0) r.refuse("has " + std::to_string(r.left()) + " bytes too many");
    return result;
  }
  friend bool operator==(const Address&, const Address&) = default;
};

}  // namespace ringcoll::inline v0::bootstrap
