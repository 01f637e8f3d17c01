// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/connect.hpp>
#include <ringcoll/bootstrap/dialer.hpp>
#include <ringcoll/bootstrap/pmi.hpp>

namespace ringcoll::inline v0::bootstrap {

namespace detail {

/// A host's addresses. Names are asked for again while the name server is busy.
inline std::vector<InetAddress> resolve(const HostPort& where, Clock::time_point deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(where.port);
  int code = ::getaddrinfo(where.host.c_str(), port.c_str(), &hints, &list);
  while (code == EAI_AGAIN && Clock::now() < deadline) {
    ::poll(nullptr, 0, 100);
    code = ::getaddrinfo(where.host.c_str(), port.c_str(), &hints, &list);
  }
  if (code != 0)
    throw Error(Errc::invalid_argument, "rank 0's address " + ringcoll::detail::join_host_port(where.host, where.port) +
                                            ": " + ::gai_strerror(code));
  std::vector<InetAddress> result;
  for (const addrinfo* i = list; i != nullptr; i = i->ai_next) {
    if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
    const InetAddress address = InetAddress::from(i->ai_addr);
    if (std::find(result.begin(), result.end(), address) == result.end()) result.push_back(address);
  }
  ::freeaddrinfo(list);
  return result;
}

inline bool insecure() {
  const std::string text = variable("RINGCOLL_INSECURE");
  if (!text.empty() && text != "0" && text != "1")
    throw Error(Errc::invalid_argument, "RINGCOLL_INSECURE=" + ringcoll::detail::quoted(text) + ": expected 0 or 1");
  return text == "1";
}

}  // namespace detail

/// Where a job's ranks meet, and with which key.
struct Meeting {
  int root = 0;       ///< who serves it; -1: not known, and not us
  std::string place;  ///< for people
  Key key;
  std::optional<Key> handed_out;  ///< the root's: for all further connections, told to those who come
  const char* auth = "none";
  std::uint64_t id = 0;  ///< of who serves the meeting, 0: any
  std::vector<Target> targets;
  std::vector<Socket> listeners;  ///< the root's
  bool this_host_only = true;
};

/// Finds out where this rank's job meets; the root also begins to listen there. `launch` and `options` must outlive it.
class Meetings {
 public:
  Meetings(const Launch& launch, const ConnectOptions& options, Clock::time_point deadline)
      : launch_(launch),
        options_(options),
        deadline_(deadline),
        interfaces_(options.interfaces.empty() ? detail::variable("RINGCOLL_IFNAME") : options.interfaces),
        secret_(find_secret(options.secret,
                            [](const char* name) { return static_cast<const char*>(std::getenv(name)); })) {}

  const std::string& interfaces() const { return interfaces_; }

  Meeting find() const {
    if (launch_.size == 1) return {};
    if (options_.store != nullptr) return by_store(*options_.store);
    if (options_.id) return by_id(*options_.id, "unique id");
    const bool told_where = !options_.address.empty() || !detail::variable("RINGCOLL_ADDRESS").empty();
    const Courier* courier = told_where || launch_.on_one_host() ? nullptr : find_courier(launch_);
    if (courier != nullptr) return by_courier(*courier);
    if (!launch_.address.empty()) return at_address();
    throw Error(Errc::invalid_argument,
                "this is rank " + std::to_string(launch_.rank) + " of " + std::to_string(launch_.size) + " (" +
                    launch_.name +
                    "), but nothing says where the ranks meet: set RINGCOLL_ADDRESS=host:port on all of them, with "
                    "rank 0's host and a port that is free there");
  }

 private:
  Clock::duration left() const { return std::max(deadline_ - Clock::now(), Clock::duration::zero()); }

  Meeting by_store(Store& store) const {
    constexpr std::string_view name = "ringcoll/key";
    Meeting meeting;
    meeting.place = "the store";
    meeting.auth = secret_ ? secret_.source : "store";
    meeting.this_host_only = keeps_to_this_host(launch_.on_one_host());
    if (secret_) {
      meeting.key = secret_.job_key(launch_.job);
    } else if (launch_.rank == meeting.root) {
      meeting.key = random_key();
      store.set(name, meeting.key.bytes);
    } else {
      const Bytes key = store.get(name, left());
      if (key.size() != meeting.key.bytes.size())
        throw Error(Errc::protocol_error, "the store's " + std::string(name) + " has " + std::to_string(key.size()) +
                                              " bytes instead of " + std::to_string(meeting.key.bytes.size()));
      std::copy(key.begin(), key.end(), meeting.key.bytes.begin());
    }
    return meeting;
  }

  Meeting by_courier(const Courier& courier) const {
    const std::string made = launch_.rank == 0 ? UniqueId::create(interfaces_).to_string() : "";
    return by_id(UniqueId::parse(courier.broadcast(launch_, made, left())), courier.name);
  }

  Meeting by_id(const UniqueId& id, const char* auth) const {
    Meeting meeting;
    meeting.key = id.key();
    meeting.auth = auth;
    meeting.id = id.id();
    meeting.targets = id.targets();
    meeting.listeners = id.claim(launch_.rank);
    meeting.root = meeting.listeners.empty() ? -1 : launch_.rank;
    meeting.this_host_only = false;
    for (const Target& target : meeting.targets) meeting.place += (meeting.place.empty() ? "" : " or ") + target.text;
    return meeting;
  }

  Meeting at_address() const {
    constexpr std::string_view unix_prefix = "unix:";
    if (launch_.address.starts_with(unix_prefix)) return at_unix(launch_.address.substr(unix_prefix.size()));
    const auto where = parse_host_port(launch_.address);
    if (!where)
      throw Error(Errc::invalid_argument, "rank 0's address " + ringcoll::detail::quoted(launch_.address) +
                                              ": expected host:port, [IPv6]:port or unix:name");
    const std::vector<InetAddress> addresses = detail::resolve(*where, deadline_);
    const bool loopback =
        std::all_of(addresses.begin(), addresses.end(), [](const InetAddress& a) { return a.is_loopback(); });
    const bool insecure = !secret_ && detail::insecure();
    if (!secret_ && !insecure) {
      // All ranks are here. Where they meet without the network, the kernel vouches for them.
      if (loopback || launch_.on_one_host())
        return at_unix("ringcoll-" + std::to_string(::geteuid()) + "-" + std::to_string(where->port) + "-" +
                       launch_.job.substr(0, 40));
      throw Error(
          Errc::invalid_argument,
          "rank 0's address " + launch_.address +
              " can be reached from other hosts, but this job has no secret: give all ranks the same one with "
              "RINGCOLL_SECRET_FILE ('openssl rand -hex 32', mode 0600), or set RINGCOLL_INSECURE=1 in a network "
              "that you trust");
    }
    Meeting meeting = meeting_of(std::to_string(where->port));
    // A host's own name may well mean loopback there (127.0.1.1), and another address elsewhere.
    const bool named_loopback = loopback && (where->host == "localhost" || is_numeric(where->host));
    meeting.this_host_only = keeps_to_this_host(named_loopback);
    for (const InetAddress& address : addresses) meeting.targets.push_back(Target::tcp(address));
    if (launch_.rank == meeting.root)
      listen(meeting, addresses, loopback && !named_loopback && !meeting.this_host_only, where->port);
    return meeting;
  }

  /// Who connects here is of our user: the kernel says so. Without a secret that is the proof, and the root makes a key
  /// for the rest; what the job's name gives here only keeps programs apart.
  Meeting at_unix(const std::string& name) const {
    Meeting meeting = meeting_of(name);
    meeting.place = "unix:" + printable(name);
    if (!secret_) {
      meeting.auth = "same user, this host";
      if (launch_.rank == meeting.root) meeting.handed_out = random_key();
    }
    meeting.this_host_only = keeps_to_this_host(true);
    meeting.targets = {Target::unix_socket(name)};
    if (launch_.rank == meeting.root) meeting.listeners.push_back(listen_patiently(unix_address(name), meeting.place));
    return meeting;
  }

  /// `mark` tells this job's meeting place from others'. Without a secret the key is not one: it keeps strangers'
  /// programs apart, and no more.
  Meeting meeting_of(const std::string& mark) const {
    Meeting meeting;
    meeting.place = launch_.address;
    meeting.key = secret_.job_key(secret_ ? launch_.job : launch_.job + "/" + mark);
    meeting.auth = secret_ ? secret_.source : "none (RINGCOLL_INSECURE=1)";
    return meeting;
  }
  /// Who names interfaces and has a secret wants to be reached there, wherever the ranks meet.
  bool keeps_to_this_host(bool otherwise) const { return otherwise && (interfaces_.empty() || !secret_); }

  static bool is_numeric(const std::string& host) {
    unsigned char ip[16];
    return ::inet_pton(AF_INET, host.c_str(), ip) == 1 || ::inet_pton(AF_INET6, host.c_str(), ip) == 1;
  }

  void listen(Meeting& meeting, const std::vector<InetAddress>& addresses, bool everywhere, std::uint16_t port) const {
    int code = listen_at_each(meeting, addresses);
    // The address may be that of a gateway or service in front of us, or loopback where others see something else.
    if (everywhere || (meeting.listeners.empty() && !meeting.this_host_only)) {
      std::vector<InetAddress> own = choose_addresses(list_interfaces(), interfaces_);
      for (InetAddress& address : own) address.port = port;
      if (const int other = listen_at_each(meeting, own); code == 0) code = other;
    }
    if (meeting.listeners.empty())
      throw Error(is_exhaustion(code) ? Errc::resource_exhausted : Errc::invalid_argument,
                  "rank 0 cannot listen at " + meeting.place + ": " + system_text(code) +
                      (code == EADDRINUSE ? " (another program, or a second rank 0)" : "") +
                      "; rank 0's address must be its own, with a free port");
  }
  int listen_at_each(Meeting& meeting, const std::vector<InetAddress>& addresses) const {
    int code = 0;
    for (const InetAddress& address : addresses) {
      Socket listener = listen_at(address.socket_address());
      if (!listener && errno == EADDRINUSE && meeting.listeners.empty())
        listener = listen_again(address.socket_address());
      if (listener) {
        meeting.listeners.push_back(std::move(listener));
      } else {
        code = errno;
      }
    }
    return code;
  }
  Socket listen_patiently(const SocketAddress& address, const std::string& place) const {
    Socket listener = listen_at(address);
    if (!listener && errno == EADDRINUSE) listener = listen_again(address);
    if (!listener)
      throw Error(Errc::invalid_argument, "rank 0 cannot listen at " + place + ": " + system_text(errno) +
                                              "; is there a second rank 0, or another program with this address?");
    return listener;
  }
  /// The job before us may not have quite gone.
  Socket listen_again(const SocketAddress& address) const {
    const Clock::time_point until = std::min(deadline_, Clock::now() + std::chrono::seconds(3));
    Socket listener;
    do {
      ::poll(nullptr, 0, 10);
      listener = listen_at(address);
    } while (!listener && errno == EADDRINUSE && Clock::now() < until);
    return listener;
  }

  const Launch& launch_;
  const ConnectOptions& options_;
  Clock::time_point deadline_;
  std::string interfaces_;
  Secret secret_;
};

}  // namespace ringcoll::inline v0::bootstrap
