// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/carrier.hpp>
#include <ringcoll/bootstrap/connect.hpp>
#include <ringcoll/bootstrap/rendezvous.hpp>
#include <ringcoll/bootstrap/tuning.hpp>
#include <ringcoll/communicator.hpp>
#include <ringcoll/detail/local_transport.hpp>
#include <ringcoll/detail/routed_transport.hpp>
#include <ringcoll/log.hpp>

namespace ringcoll::inline v0::bootstrap {

namespace detail {

/// Which ranks run on which host: the same answer on all ranks, since all have the same table.
inline Placement hosts_of(const Endpoint& endpoint) {
  std::vector<std::uint64_t> hosts;
  for (int rank = 0; rank < endpoint.size(); ++rank) hosts.push_back(endpoint.host_of(rank));
  return Placement(hosts);
}

/// Ranks that do not use shared memory count as being on hosts of their own.
inline Placement apart(int size) {
  std::vector<std::uint64_t> hosts(static_cast<std::size_t>(size));
  std::iota(hosts.begin(), hosts.end(), std::uint64_t{0});
  return Placement(hosts);
}

[[noreturn]] inline void throw_no_carrier(const std::string& wish, const std::string& why) {
  std::string built;
  for (const Carrier& carrier : carriers()) built += std::string(built.empty() ? "" : ", ") + carrier.name;
  throw Error(Errc::invalid_argument, "transport " + wish + ": " + why + "; this program was built with " +
                                          (built.empty() ? "no transport" : built) +
                                          " (CMake targets ringcoll::shm, ringcoll::tcp)");
}

inline const Carrier& need_carrier(const std::string& name, const std::string& why) {
  const Carrier* const carrier = find_carrier(name);
  if (!carrier) throw_no_carrier(name, why);
  return *carrier;
}

/// The transport of the world: one carrier where one reaches everybody, else shared memory within the host and TCP
/// beyond.
inline std::unique_ptr<AnyTransport> make_transport(const std::shared_ptr<Endpoint>& endpoint, const std::string& wish,
                                                    const Placement& hosts) {
  const bool one_host = hosts.nodes() == 1, any_shared = hosts.nodes() < hosts.size();
  std::vector<int> members;
  for (int rank = 0; rank < endpoint->size(); ++rank) members.push_back(rank);
  const auto alone = [&](const Carrier& carrier) {
    return carrier.make(endpoint, world_context, endpoint->rank(), members, carrier.frame_bytes);
  };
  if (wish != "auto") {
    const Carrier& carrier = need_carrier(wish, "was asked for");
    if (carrier.one_host && !one_host)
      throw_no_carrier(wish, "reaches only ranks of one host, and this job has several");
    return alone(carrier);
  }
  if (one_host && find_carrier("shm")) return alone(*find_carrier("shm"));
  if (!any_shared || !find_carrier("shm"))
    return alone(need_carrier("tcp", one_host ? "is what is left between the ranks of this host without shm"
                                              : "is needed between the hosts of this job"));
  const Carrier &shm = need_carrier("shm", ""), &tcp = need_carrier("tcp", "is needed between the hosts of this job");
  const std::size_t frame_bytes = std::min(shm.frame_bytes, tcp.frame_bytes);
  std::vector<std::unique_ptr<AnyTransport>> parts;
  parts.push_back(shm.make(endpoint, world_context, endpoint->rank(), members, frame_bytes));
  parts.push_back(tcp.make(endpoint, world_context, endpoint->rank(), members, frame_bytes));
  std::vector<std::uint8_t> routes;
  const int here = hosts.node(endpoint->rank());
  for (const int rank : members) routes.push_back(hosts.node(rank) == here ? 0 : 1);
  return erase(std::make_unique<ringcoll::detail::RoutedTransport>(std::move(parts), std::move(routes), frame_bytes));
}

}  // namespace detail

/// What ringcoll::connect does where ranks leave the process.
inline Communicator connect_job(const ConnectOptions& options) {
  const Launch launch = launch_for(options);
  for (const std::string& warning : launch.warnings) log(LogLevel::warn, launch.rank, warning);
  const std::string wished = !options.transport.empty() ? options.transport : detail::variable("RINGCOLL_TRANSPORT");
  const std::string wish = wished.empty() ? "auto" : wished;
  if (wish != "auto" && !find_carrier(wish)) detail::throw_no_carrier(wish, "is not one of this program's");
  log(LogLevel::info, launch.rank, launch.describe());

  Setup setup;
  setup.context = world_context;
  setup.deadline = detail::operation_deadline();
  if (launch.size == 1) return Communicator(0, 1, erase(std::move(make_local(1).front())), setup);

  const std::shared_ptr<Endpoint> endpoint = rendezvous(launch, options);
  const Placement hosts = detail::hosts_of(*endpoint);
  const bool shared = wish != "tcp" && find_carrier("shm") != nullptr;
  setup.placement = std::make_shared<Placement>(shared ? hosts : detail::apart(launch.size));
  setup.crowded = hosts.local_size(hosts.node(launch.rank)) > ::sysconf(_SC_NPROCESSORS_ONLN);
  Communicator comm(launch.rank, launch.size, detail::make_transport(endpoint, wish, hosts), setup);
  comm.member().choose_by(selector_for(comm, detail::connect_deadline(options)));
  return comm;
}

}  // namespace ringcoll::inline v0::bootstrap
