// SPDX-License-Identifier: Apache-2.0
#include "reach.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/launcher.hpp>

#include "columns.hpp"
#include "exit_code.hpp"

namespace info {
namespace {

using Clock = std::chrono::steady_clock;

std::string text_of(const sockaddr* address, socklen_t bytes) {
  char host[NI_MAXHOST] = {}, port[NI_MAXSERV] = {};
  if (getnameinfo(address, bytes, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return address->sa_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

std::string own_address(int fd) {
  sockaddr_storage own{};
  socklen_t bytes = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes) != 0) return "";
  const std::string text = text_of(reinterpret_cast<const sockaddr*>(&own), bytes);
  return text.substr(0, text.rfind(':'));
}

/// 0, or why it did not connect within the time.
int connect_within(int fd, const addrinfo& to, double seconds) {
  if (connect(fd, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
    const int ready = poll(&wait, 1, static_cast<int>(left) + 1);
    if (ready < 0 && errno != EINTR) return errno;
    if (ready > 0) break;
  }
  int code = 0;
  socklen_t bytes = sizeof code;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &bytes) == 0 ? code : errno;
}

Attempt try_address(const addrinfo& to, double seconds) {
  Attempt attempt;
  attempt.address = text_of(to.ai_addr, to.ai_addrlen);
  const ringcoll::detail::Fd fd(socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto start = Clock::now();
  attempt.code = fd ? connect_within(fd.get(), to, seconds) : errno;
  const std::chrono::duration<double, std::milli> took = Clock::now() - start;
  if (fd) attempt.from = own_address(fd.get());
  attempt.what = attempt.code == 0 ? perf::print("answered after %.2f ms", took.count())
                 : attempt.code == ETIMEDOUT
                     ? perf::print("no answer within %.3g s", took.count() / 1000)
                     : std::string(std::strerror(attempt.code)) + perf::print(" (errno %d)", attempt.code);
  return attempt;
}

/// By the most telling of the failures: a refusal means that packets come and go.
void advise(Reach& reach, const std::string& host, const std::string& port) {
  const auto any = [&](int code) {
    for (const Attempt& attempt : reach.attempts)
      if (attempt.code == code) return true;
    return false;
  };
  if (any(ECONNREFUSED)) {
    reach.next_step = "The node is there, but nobody listens at port " + port +
                      ". Ranks listen only while they connect: start rank 0 first and check again, or compare the port "
                      "with the RINGCOLL_ADDRESS that it has.";
    reach.command = "ssh " + host + " ss -ltnp";
  } else if (any(ETIMEDOUT)) {
    reach.next_step =
        "Packets get lost on the way: a firewall that drops them, or a route that leads nowhere. Allow the "
        "port, or name the right network with RINGCOLL_IFNAME on both nodes.";
    reach.command =
        "ip route get " + reach.attempts.front().address.substr(0, reach.attempts.front().address.rfind(':'));
  } else if (any(ENETUNREACH) || any(EHOSTUNREACH)) {
    reach.next_step =
        "This node has no way to that network, or nobody there has the address. Use an address of a network "
        "that both nodes are on.";
    reach.command = "ip -brief address; ip route";
  } else {
    reach.next_step = "See what the system said above.";
  }
}

}  // namespace

Reach try_to_reach(const std::string& host_port, double seconds) {
  const auto target = ringcoll::parse_host_port(host_port);
  if (!target)
    throw perf::usage_error("--check '" + host_port + "': expected host:port, such as node7:4100 or [fd00::7]:4100");
  const std::string port = std::to_string(target->port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Reach reach;
  const int failure = getaddrinfo(target->host.c_str(), port.c_str(), &hints, &list);
  if (failure != 0) {
    reach.next_step = "The name '" + target->host + "' has no address here: " + gai_strerror(failure) +
                      ". Correct it, use the address itself, or add the name to /etc/hosts.";
    reach.command = "getent hosts " + target->host;
    return reach;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  for (const addrinfo* to = list; to != nullptr && !reach.reached; to = to->ai_next) {
    reach.attempts.push_back(try_address(*to, seconds));
    reach.reached = reach.attempts.back().code == 0;
  }
  if (reach.reached) {
    reach.next_step = "Somebody listens there. Whether it is a rank of your job, only the job's key can tell.";
    return reach;
  }
  advise(reach, target->host, port);
  return reach;
}

std::string reach_text(const std::string& host_port, const Reach& reach) {
  std::string text = host_port + (reach.reached ? " can be reached\n" : " cannot be reached\n");
  for (const Attempt& attempt : reach.attempts)
    text += "  tried " + attempt.address + (attempt.from.empty() ? "" : " from " + attempt.from) + ": " + attempt.what +
            "\n";
  text += reach.next_step + "\n";
  if (!reach.command.empty()) text += "  $ " + reach.command + "\n";
  return text;
}

std::string reach_json(const std::string& host_port, const Reach& reach) {
  nlohmann::ordered_json document{{"schema_version", 1}, {"target", host_port}, {"reached", reach.reached}};
  document["attempts"] = nlohmann::ordered_json::array();
  for (const Attempt& attempt : reach.attempts)
    document["attempts"].push_back(
        {{"address", attempt.address}, {"from", attempt.from}, {"errno", attempt.code}, {"what", attempt.what}});
  document["next_step"] = reach.next_step;
  document["command"] = reach.command;
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace info
