// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/dialer.hpp>

namespace ringcoll::inline v0::bootstrap {

/// 128 bytes that bring a job's ranks together: where they meet, and the job's key. One process makes it, all of them
/// get it by the user's own means (MPI, Ray, a file), and whoever knows it can join: keep it as one keeps a password.
///
/// The process that made it must be one of the ranks, or rank 0 a child that it forks; that rank's connect() serves the
/// others. Each id serves one connect().
class UniqueId {
 public:
  static constexpr std::size_t bytes = 128;

  /// Listens at this host's addresses (RINGCOLL_IFNAME chooses) until the rank that connects takes over.
  static UniqueId create() {
    const char* interfaces = std::getenv("RINGCOLL_IFNAME");
    return create(interfaces != nullptr ? interfaces : "");
  }
  static UniqueId create(std::string_view interfaces) {
    Made made{.creator = ::getpid(), .id = random_number() | 1, .listeners = {}};
    Bytes text;
    Writer w(text);
    w.bytes(as_bytes(magic));
    w.number(made.id, 8);
    w.number(host_id(), 8);
    w.bytes(random_key().bytes);
    std::byte unix_name[16];
    fill_random(unix_name);
    w.bytes(unix_name);
    made.listeners.push_back(listen_at(unix_address(name(unix_name))));
    if (!made.listeners.back()) throw_system("listen at a unix socket");
    for (const InetAddress& address : choose_addresses(list_interfaces(), interfaces)) {
      if (text.size() + (address.v6 ? 19 : 7) > bytes) continue;
      Socket listener = listen_at(address.socket_address());
      SocketAddress bound;
      bound.bytes = sizeof bound.storage;
      if (!listener || ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.bytes) != 0)
        continue;
      w.number(address.v6 ? 6 : 4, 1);
      w.bytes(std::as_bytes(std::span(address.ip, address.v6 ? 16 : 4)));
      w.number(InetAddress::from(bound.get()).port, 2);
      made.listeners.push_back(std::move(listener));
    }
    text.resize(bytes);
    const std::lock_guard lock(registry().mutex);
    registry().made.push_back(std::move(made));
    return UniqueId(text);
  }

  /// Hex; `parse` reads it.
  std::string to_string() const { return to_hex(bytes_); }
  static UniqueId parse(std::string_view text) {
    const Bytes parsed = from_hex(text);
    if (parsed.size() != bytes) refuse(std::to_string(text.size()) + " characters are not one");
    return from_bytes(parsed);
  }
  std::span<const std::byte, bytes> data() const { return bytes_; }
  static UniqueId from_bytes(std::span<const std::byte> raw) {
    if (raw.size() != bytes) refuse(std::to_string(raw.size()) + " bytes are not one");
    UniqueId result(raw);
    result.targets();
    return result;
  }
  friend bool operator==(const UniqueId&, const UniqueId&) = default;

  // What follows is for the rendezvous.

  std::uint64_t id() const { return number_at(id_at); }
  Key key() const {
    Key key;
    std::memcpy(key.bytes.data(), bytes_.data() + key_at, 32);
    return key;
  }
  /// Where the maker listens, best first.
  std::vector<Target> targets() const {
    Reader r(std::span<const std::byte>(bytes_).subspan(unix_at), "a unique id");
    std::vector<Target> result;
    const auto unix_name = r.bytes(16);
    if (number_at(host_at) == host_id()) result.push_back(Target::unix_socket(name(unix_name)));
    while (r.left() > 0) {
      const auto version = r.number(1);
      if (version == 0) break;
      if (version != 4 && version != 6) refuse("it is damaged");
      InetAddress address;
      address.v6 = version == 6;
      const auto ip = r.bytes(address.v6 ? 16 : 4);
      std::memcpy(address.ip, ip.data(), ip.size());
      address.port = static_cast<std::uint16_t>(r.number(2));
      result.push_back(Target::tcp(address));
    }
    return result;
  }
  /// The listeners, if this rank is the one that serves the others: the first of the maker's threads to come here, or
  /// rank 0 among the children that it forked.
  std::vector<Socket> claim(int rank) const {
    const std::lock_guard lock(registry().mutex);
    auto& all = registry().made;
    for (auto made = all.begin(); made != all.end(); ++made) {
      if (made->id != id()) continue;
      std::vector<Socket> listeners = std::move(made->listeners);
      const bool serves = made->creator == ::getpid() || rank == 0;
      all.erase(made);
      if (!serves) listeners.clear();
      return listeners;
    }
    return {};
  }

 private:
  static constexpr std::string_view magic = {"RCUID\1\0\0", 8};
  static constexpr std::size_t id_at = 8, host_at = 16, key_at = 24, unix_at = 56;

  struct Made {
    pid_t creator;
    std::uint64_t id;
    std::vector<Socket> listeners;
  };
  struct Registry {
    std::mutex mutex;
    std::vector<Made> made;
  };
  static Registry& registry() {
    static Registry registry;
    return registry;
  }

  explicit UniqueId(std::span<const std::byte> raw) {
    if (std::memcmp(raw.data(), magic.data(), magic.size()) != 0) refuse("these bytes are not one of this version");
    std::memcpy(bytes_.data(), raw.data(), bytes);
  }
  [[noreturn]] static void refuse(const std::string& why) {
    throw Error(Errc::invalid_argument,
                "a unique id is the 128 bytes of UniqueId::create(), or 256 hex digits: " + why);
  }
  static std::string name(std::span<const std::byte> random) { return "ringcoll-id-" + to_hex(random); }
  std::uint64_t number_at(std::size_t at) const {
    return Reader(std::span<const std::byte>(bytes_).subspan(at), "").number(8);
  }

  std::array<std::byte, bytes> bytes_;
};

}  // namespace ringcoll::inline v0::bootstrap
