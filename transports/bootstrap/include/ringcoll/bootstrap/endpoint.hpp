// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/acceptor.hpp>
#include <ringcoll/bootstrap/interfaces.hpp>

namespace ringcoll::inline v0::bootstrap {

/// Everybody's addresses, as they came over the wire: a fraction of the memory that 100,000 Address objects need.
class AddressTable {
 public:
  AddressTable() = default;

  void add(const Address& address) {
    at_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    address.write(bytes_);
  }
  int size() const { return static_cast<int>(at_.size()); }
  Address operator[](int rank) const {
    Reader r(std::span<const std::byte>(bytes_).subspan(at_[static_cast<std::size_t>(rank)]), "an address");
    return Address::read(r);
  }
  std::uint64_t host(int rank) const {
    return Reader(std::span<const std::byte>(bytes_).subspan(at_[static_cast<std::size_t>(rank)]), "an address")
        .number(8);
  }
  const Bytes& bytes() const { return bytes_; }

  /// Throws Error(protocol_error) unless `bytes` are exactly `size` addresses.
  static AddressTable parse(Bytes bytes, int size) {
    AddressTable table;
    table.bytes_ = std::move(bytes);
    Reader r(table.bytes_, "an address table");
    for (int i = 0; i < size; ++i) {
      table.at_.push_back(static_cast<std::uint32_t>(table.bytes_.size() - r.left()));
      Address::read(r);
    }
    if (r.left() != 0) r.refuse("has " + std::to_string(r.left()) + " bytes too many");
    return table;
  }

 private:
  Bytes bytes_;
  std::vector<std::uint32_t> at_;  // where each rank's address begins
};

struct EndpointOptions {
  int rank = 0, size = 1;
  Key key;                                                       ///< the job's
  std::string interfaces;                                        ///< RINGCOLL_IFNAME
  bool loopback_only = true;                                     ///< listen to this host only
  std::chrono::nanoseconds deadline = std::chrono::seconds(60);  ///< for a connection to a peer
  const char* auth = "none";                                     ///< where the key came from, for people
};

/// One rank's door: its listeners, the job's key, and everybody's addresses. Shared by the rank's communicators, which
/// may belong to several threads. Ranks that are threads of one process have one each.
class Endpoint {
 public:
  explicit Endpoint(const EndpointOptions& options) : options_(options), acceptor_(options.key, address_.id) {
    if (options.size == 1) {  // nobody will come
      table_.add(address_);
      return;
    }
    open_unix();
    open_tcp();
  }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const Address& address() const { return address_; }
  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  Key key() const {
    const std::lock_guard lock(mutex_);
    return options_.key;
  }
  /// Takes another key for the connections to come.
  void adopt(const Key& key) {
    const std::lock_guard lock(mutex_);
    options_.key = key;
    acceptor_.adopt(key);
  }
  const char* auth() const { return options_.auth; }
  std::chrono::nanoseconds deadline() const { return options_.deadline; }

  /// Where a rank of the world listens; valid as long as the endpoint. Call it once everybody's addresses are known.
  const Address& address_of(int world_rank) const {
    const std::lock_guard lock(mutex_);
    if (world_rank < 0 || world_rank >= table_.size())
      throw Error(Errc::invalid_argument, "rank " + std::to_string(world_rank) + " is not one of the " +
                                              std::to_string(table_.size()) + " whose addresses are known");
    const auto known = parsed_.find(world_rank);
    return known != parsed_.end() ? known->second : parsed_.emplace(world_rank, table_[world_rank]).first->second;
  }
  /// Address::host of a rank, without the rest of its address.
  std::uint64_t host_of(int world_rank) const {
    const std::lock_guard lock(mutex_);
    return table_.host(world_rank);
  }
  void learn(AddressTable table) {
    const std::lock_guard lock(mutex_);
    table_ = std::move(table);
    parsed_.clear();
    local_rank_ = local_size_ = 0;
    for (int rank = 0; rank < table_.size(); ++rank) {
      if (table_.host(rank) != address_.host) continue;
      local_rank_ += rank < options_.rank;
      ++local_size_;
    }
  }
  /// Among the ranks whose memory we can share, in rank order.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }

  /// Readable when progress() has something to do. What another thread's progress() has accepted does not show here:
  /// look for it with take() now and then all the same.
  int fd() const { return acceptor_.fd(); }

  /// Accepts, and advances the handshakes of those who come. Never waits, and throws nothing because of strangers.
  void progress() {
    const std::lock_guard lock(mutex_);
    acceptor_.progress();
    turn_away();
  }

  /// A connection for this purpose, accepted and authenticated, if it has come.
  std::optional<Socket> take(const Purpose& purpose) {
    const std::lock_guard lock(mutex_);
    std::optional<Socket> newest;
    // A peer commits itself to one connection: if there is a second one for the same purpose, it has lost the first.
    while (auto arrival = acceptor_.take([&](const Purpose& p) { return p == purpose; }))
      newest = std::move(arrival->socket);
    return newest;
  }

  /// This rank's part in a communicator is over: who came for it, or still comes, is turned away, and so learns of it.
  void leave(std::uint64_t context, Via via) {
    const std::lock_guard lock(mutex_);
    left_.emplace(context, via);
    turn_away();
  }
  /// A context that was left may be used again.
  void enter(std::uint64_t context, Via via) {
    const std::lock_guard lock(mutex_);
    left_.erase({context, via});
  }

  std::uint64_t strangers() const {
    const std::lock_guard lock(mutex_);
    return acceptor_.strangers();
  }

 private:
  void turn_away() {
    if (left_.empty()) return;
    while (acceptor_.take([&](const Purpose& p) { return left_.contains({p.context, p.via}); })) continue;
  }

  static Address describe_self() {
    Address result;
    result.host = host_id();
    result.id = random_number() | 1;  // 0 means any
    result.pid = ::getpid();
    result.hostname = host_name();
    return result;
  }

  void open_unix() {
    std::byte name[16];
    fill_random(name);
    std::string unix_name = "ringcoll-" + to_hex(name);
    Socket listener = listen_at(unix_address(unix_name));
    if (!listener) throw_system("listen at a unix socket");
    acceptor_.add(std::move(listener));
    address_.unix_name = std::move(unix_name);
  }

  void open_tcp() {
    std::vector<InetAddress> wanted = {InetAddress::loopback(), InetAddress::loopback(true)};
    if (!options_.loopback_only) wanted = choose_addresses(list_interfaces(), options_.interfaces);
    int code = 0;
    for (InetAddress& address : wanted) {
      Socket listener = listen_at(address.socket_address());
      SocketAddress bound;
      bound.bytes = sizeof bound.storage;
      if (!listener || ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.bytes) != 0) {
        code = errno;  // an address that is not ready, or no IPv6: the others will do
        continue;
      }
      address_.tcp.push_back(InetAddress::from(bound.get()));
      acceptor_.add(std::move(listener));
    }
    if (address_.tcp.empty() && is_exhaustion(code)) throw_system("listen for the other ranks", code);
  }

  EndpointOptions options_;
  Address address_ = describe_self();
  mutable std::mutex mutex_;
  Acceptor acceptor_;
  std::set<std::pair<std::uint64_t, Via>> left_;  // transports of communicators that this rank has left
  AddressTable table_;
  int local_rank_ = 0, local_size_ = 1;
  mutable std::map<int, Address> parsed_;  // those asked for; a node stays where it is
};

}  // namespace ringcoll::inline v0::bootstrap
