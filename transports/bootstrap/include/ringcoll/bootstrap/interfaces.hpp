// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/bootstrap/address.hpp>

namespace ringcoll::inline v0::bootstrap {

/// One address of one network interface of this host.
struct Interface {
  std::string name;
  InetAddress address;
};

inline std::vector<Interface> list_interfaces() {
  std::vector<Interface> result;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) throw_system("list the network interfaces");
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0) continue;
    if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) continue;
    result.push_back({i->ifa_name, InetAddress::from(i->ifa_addr)});
  }
  ::freeifaddrs(list);
  return result;
}

/// RINGCOLL_IFNAME, spelled as NCCL_SOCKET_IFNAME: "eth,ib" names that begin so, "=eth0" exactly these, "^docker" all
/// but those, "^=eth1" all but exactly those.
class InterfaceSelection {
 public:
  explicit InterfaceSelection(std::string_view text) {
    if (text.starts_with('^')) {
      exclude_ = true;
      text.remove_prefix(1);
    }
    if (text.starts_with('=')) {
      exact_ = true;
      text.remove_prefix(1);
    }
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      if (end > at) names_.emplace_back(text.substr(at, end - at));
      at = end + 1;
    }
  }

  bool empty() const { return names_.empty(); }
  bool operator()(std::string_view interface) const {
    const bool named = std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
      return exact_ ? interface == name : interface.starts_with(name);
    });
    return empty() || named != exclude_;
  }

 private:
  std::vector<std::string> names_;
  bool exclude_ = false, exact_ = false;
};

namespace detail {

/// Interfaces that containers and virtual machines of this host talk over: rarely the way to another host.
inline bool is_virtual_bridge(std::string_view name) {
  constexpr std::string_view prefixes[] = {"docker", "br-", "virbr", "veth", "cni", "flannel", "cali", "podman", "lxc"};
  return std::any_of(std::begin(prefixes), std::end(prefixes), [&](std::string_view p) { return name.starts_with(p); });
}

/// Smaller is tried first.
inline int preference(const Interface& i) {
  return (i.address.is_link_local() ? 4 : 0) + (is_virtual_bridge(i.name) ? 2 : 0) + (i.address.v6 ? 1 : 0);
}

}  // namespace detail

/// The addresses to listen at, best first: those selected; without a selection all that other hosts may reach, and
/// loopback only where there is nothing else.
inline std::vector<InetAddress> choose_addresses(std::vector<Interface> interfaces, std::string_view selection) {
  const InterfaceSelection selected(selection);
  std::stable_sort(interfaces.begin(), interfaces.end(), [](const Interface& a, const Interface& b) {
    return detail::preference(a) < detail::preference(b);
  });
  std::vector<InetAddress> loopback, near, result;
  for (const Interface& i : interfaces) {
    if (!selected(i.name)) continue;
    (i.address.is_loopback() ? loopback : i.address.is_link_local() ? near : result).push_back(i.address);
  }
  // Link-local IPv6 has no scope that means anything to the other host.
  if (result.empty()) result = near;
  if (result.empty()) result = loopback;
  if (result.size() > max_tcp_addresses) result.resize(max_tcp_addresses);
  if (result.empty() && !selected.empty()) {
    std::string found = " ";
    for (const Interface& i : interfaces) {
      if (found.find(" " + i.name + " ") == std::string::npos) found += i.name + " ";
    }
    throw Error(Errc::invalid_argument, "RINGCOLL_IFNAME=" + printable(selection) +
                                            " selects no network interface that is up and has an address; there are:" +
                                            (found == " " ? " none" : found));
  }
  return result;
}

}  // namespace ringcoll::inline v0::bootstrap
