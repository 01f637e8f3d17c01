// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/text.hpp>

namespace ringcoll::inline v0::topology {

/// Where the kernel's description of the machine is read from. Paths begin with "/sys".
template <class T>
concept SysTree = requires(const T& tree, const std::string& path) {
  /// The first bytes of a file, without the newline at their end; empty if there is none.
  { tree.read(path) } -> std::same_as<std::string>;
  /// The names in a folder, in any order; none if there is no such folder.
  { tree.list(path) } -> std::same_as<std::vector<std::string>>;
  /// The path with all symbolic links followed; empty if it leads nowhere.
  { tree.resolve(path) } -> std::same_as<std::string>;
};

/// The files of this system, or of a copy of /sys below another folder.
class SysFiles {
 public:
  explicit SysFiles(std::string root = "") : root_(std::move(root)) {
    while (root_.ends_with('/')) root_.pop_back();
  }

  std::string read(const std::string& path) const {
    char text[4096];
    const ringcoll::detail::Fd file(::open((root_ + path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    const auto bytes = file ? ::read(file.get(), text, sizeof text) : 0;
    std::string found(text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    while (found.ends_with('\n')) found.pop_back();
    return found;
  }

  std::vector<std::string> list(const std::string& path) const {
    constexpr std::size_t most = 1 << 16;
    std::vector<std::string> names;
    DIR* const folder = ::opendir((root_ + path).c_str());
    if (folder == nullptr) return names;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != ".." && names.size() < most) names.emplace_back(name);
    }
    ::closedir(folder);
    return names;
  }

  std::string resolve(const std::string& path) const {
    char* const found = ::realpath((root_ + path).c_str(), nullptr);
    if (found == nullptr) return "";
    const std::string text(found);
    std::free(found);
    return text;
  }

 private:
  std::string root_;
};
static_assert(SysTree<SysFiles>);

namespace detail {

/// A number at the beginning of a text, in base 10 or 16 ("0x…").
inline long long leading_number(std::string_view text, long long otherwise) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  long long value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} ? value : otherwise;
}

inline double leading_amount(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return is_amount(value) ? value : 0;
}

/// To one decimal, which is all that such an amount means.
inline double coarse(double amount) { return static_cast<double>(static_cast<long long>(amount * 10 + 0.5)) / 10; }

/// "0000:17:00.0"; what sysfs calls a PCI device.
inline bool is_pci_address(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() < 12 || text.size() > 16 || text[text.size() - 2] != '.') return false;
  const std::size_t domain = text.size() - 8;
  if (text[domain] != ':' || text[domain + 3] != ':') return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i != domain && i != domain + 3 && i != text.size() - 2 && !hex(text[i])) return false;
  return true;
}

/// The PCI devices on the way to a folder of sysfs, the outermost first.
inline std::vector<std::string> pci_way(std::string_view resolved) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < resolved.size();) {
    const std::size_t end = std::min(resolved.find('/', at), resolved.size());
    const std::string_view part = resolved.substr(at, end - at);
    if (is_pci_address(part) && found.size() < 16) found.emplace_back(part);
    at = end + 1;
  }
  return found;
}

/// What sysfs says is one line or a list; nonsense in it counts as nothing.
inline std::vector<int> sys_cpus(const std::string& text) {
  try {
    return parse_cpus(text);
  } catch (const Error&) {
    return {};
  }
}

/// GB/s of a PCI link, from "16.0 GT/s PCIe" and "16": 8b/10b below 8 GT/s, 128b/130b from there on.
inline double pci_bandwidth(std::string_view speed, std::string_view width) {
  const double transfers = leading_amount(speed);
  const auto lanes = static_cast<double>(leading_number(width, 0));
  if (transfers <= 0 || lanes <= 0 || lanes > 64) return 0;
  const double efficiency = transfers < 8 ? 0.8 : 128.0 / 130.0;
  return transfers > 1000 ? 0 : coarse(transfers * lanes * efficiency / 8);
}

/// Reads one machine, that of the system. What the kernel does not say is left out; nothing is guessed.
template <SysTree Tree>
class SysReader {
 public:
  SysReader(const Tree& tree, std::string node_name) : tree_(tree) {
    graph_.add({.kind = Kind::node, .name = is_name(node_name) ? std::move(node_name) : "node"});
  }

  Graph read() && {
    read_cores();
    read_memory();
    add_packages();
    add_devices();
    return std::move(graph_);
  }

 private:
  struct Core {
    std::vector<int> cpus;
    int package = 0, numa = none;
    std::string l3;
  };
  struct Device {
    Kind kind = Kind::bridge;
    std::string interface;
    double speed = 0;
    int ports = 1;
  };

  std::string cpu_path(int cpu) const { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu); }

  std::vector<int> numbered(const std::string& folder, std::string_view prefix) const {
    std::vector<int> numbers;
    for (const std::string& name : tree_.list(folder)) {
      if (!name.starts_with(prefix)) continue;
      int number = 0;
      const char* const end = name.data() + name.size();
      const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, number);
      if (error == std::errc{} && stop == end && number >= 0 && number < 1 << 16) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  void read_cores() {
    std::vector<int> online = sys_cpus(tree_.read("/sys/devices/system/cpu/online"));
    if (online.empty()) online = numbered("/sys/devices/system/cpu", "cpu");
    const std::set<int> all(online.begin(), online.end());
    std::set<int> seen;
    for (const int cpu : online) {
      if (seen.contains(cpu)) continue;
      const std::string path = cpu_path(cpu);
      Core core;
      core.package = static_cast<int>(leading_number(tree_.read(path + "/topology/physical_package_id"), 0));
      for (const int thread : sys_cpus(tree_.read(path + "/topology/thread_siblings_list")))
        if (all.contains(thread) && seen.insert(thread).second) core.cpus.push_back(thread);
      if (seen.insert(cpu).second) core.cpus.push_back(cpu);
      std::sort(core.cpus.begin(), core.cpus.end());
      for (const int cache : numbered(path + "/cache", "index")) {
        const std::string index = path + "/cache/index" + std::to_string(cache);
        if (tree_.read(index + "/level") == "3") core.l3 = tree_.read(index + "/shared_cpu_list");
      }
      cores_.push_back(std::move(core));
    }
  }

  void read_memory() {
    numas_ = numbered("/sys/devices/system/node", "node");
    std::map<int, std::size_t> core_of_cpu;
    for (std::size_t i = 0; i < cores_.size(); ++i)
      for (const int cpu : cores_[i].cpus) core_of_cpu[cpu] = i;
    for (const int numa : numas_) {
      const std::string path = "/sys/devices/system/node/node" + std::to_string(numa);
      for (const int cpu : sys_cpus(tree_.read(path + "/cpulist"))) {
        const auto core = core_of_cpu.find(cpu);
        if (core != core_of_cpu.end()) cores_[core->second].numa = numa;
      }
      const std::string info = tree_.read(path + "/meminfo");
      const std::size_t total = info.find("MemTotal:");
      if (total == info.npos) continue;
      const std::size_t digits = info.find_first_of("0123456789", total);
      if (digits == info.npos) continue;
      const double kib = static_cast<double>(leading_number(std::string_view(info).substr(digits), 0));
      const double gib = kib / 1024 / 1024;
      memory_[numa] = is_amount(gib) ? coarse(gib) : 0;
    }
  }

  int new_object(Kind kind, const std::string& name, int parent) {
    return graph_.add({.kind = kind, .name = name, .parent = parent});
  }

  /// A NUMA node of several packages, or of no core, stands in the machine.
  void add_packages() {
    std::map<int, std::set<int>> packages_of_numa;
    std::set<int> packages;
    for (const Core& core : cores_) {
      packages.insert(core.package);
      if (core.numa != none) packages_of_numa[core.numa].insert(core.package);
    }
    std::map<int, int> package_objects;
    for (const int package : packages) {
      const int object = new_object(Kind::package, "package" + std::to_string(package), 0);
      package_objects[package] = object;
      for (const int numa : numas_)
        if (packages_of_numa[numa] == std::set{package}) add_numa(numa, object);
      add_cores(object,
                [&](const Core& core) { return core.package == package && !numa_objects_.contains(core.numa); });
    }
    for (const int numa : numas_)
      if (!numa_objects_.contains(numa)) add_numa(numa, 0);
  }

  void add_numa(int numa, int parent) {
    const int object = graph_.add(
        {.kind = Kind::numa, .name = "numa" + std::to_string(numa), .parent = parent, .memory = memory_[numa]});
    numa_objects_[numa] = object;
    add_cores(object, [&](const Core& core) { return core.numa == numa; });
  }

  template <class Choose>
  void add_cores(int parent, Choose&& chosen) {
    std::map<std::string, int> caches;
    std::vector<std::pair<std::string, std::vector<const Core*>>> groups;
    for (Core& core : cores_) {
      if (!chosen(core) || done_.contains(&core)) continue;
      done_.insert(&core);
      const auto [found, is_new] = caches.emplace(core.l3, static_cast<int>(groups.size()));
      if (is_new) groups.push_back({core.l3, {}});
      groups[static_cast<std::size_t>(found->second)].second.push_back(&core);
    }
    for (const auto& [l3, cores] : groups) {
      const int object = l3.empty() ? parent : new_object(Kind::l3, "l3." + std::to_string(l3s_++), parent);
      for (const Core* core : cores)
        graph_.add(
            {.kind = Kind::core, .name = "core" + std::to_string(core_count_++), .parent = object, .cpus = core->cpus});
    }
  }

  /// GPUs and NICs, and the bridges on the way to them; other devices would only be in the way of the picture.
  void add_devices() {
    std::map<std::string, Device> devices;
    std::map<std::string, std::string> folders;
    for (const std::string& address : tree_.list("/sys/bus/pci/devices")) {
      if (!is_pci_address(address)) continue;
      const long long code = leading_number(tree_.read("/sys/bus/pci/devices/" + address + "/class"), 0);
      folders[address] = tree_.resolve("/sys/bus/pci/devices/" + address);
      const bool processes = code >> 16 == 0x12;  // an accelerator that shows no picture
      // Network controllers of other classes than Ethernet are InfiniBand's (0x0207) and what has an interface.
      if (code >> 16 == 0x03 || processes) devices[address].kind = Kind::gpu;
      else if (code >> 8 == 0x0200 || code >> 8 == 0x0207) devices[address].kind = Kind::nic;
    }
    read_interfaces(devices, folders);
    read_fabric_ports(devices);
    for (const auto& [address, device] : devices) add_device(address, device, folders[address]);
    if (graph_.of_kind(0, Kind::nic).empty()) add_plain_interfaces();
  }

  void read_interfaces(std::map<std::string, Device>& devices, std::map<std::string, std::string>& folders) {
    for (const std::string& interface : sorted(tree_.list("/sys/class/net"))) {
      const std::vector<std::string> way = pci_way(tree_.resolve("/sys/class/net/" + interface + "/device"));
      if (way.empty() || !folders.contains(way.back())) continue;
      Device& device = devices[way.back()];
      device.kind = Kind::nic;
      if (device.interface.empty() && is_name(interface)) device.interface = interface;
      device.speed += interface_speed(interface);
    }
  }

  /// Mbit/s, -1 if it is down or virtual.
  double interface_speed(const std::string& interface) const {
    const double mbit = leading_amount(tree_.read("/sys/class/net/" + interface + "/speed"));
    return mbit > 0 ? mbit / 8000 : 0;
  }

  /// Ports of InfiniBand and RoCE devices: "200 Gb/sec (4X HDR)".
  void read_fabric_ports(std::map<std::string, Device>& devices) {
    for (const std::string& name : sorted(tree_.list("/sys/class/infiniband"))) {
      const std::vector<std::string> way = pci_way(tree_.resolve("/sys/class/infiniband/" + name + "/device"));
      if (way.empty() || !devices.contains(way.back())) continue;
      const std::vector<int> ports = numbered("/sys/class/infiniband/" + name + "/ports", "");
      double speed = 0;
      for (const int port : ports)
        speed +=
            leading_amount(tree_.read("/sys/class/infiniband/" + name + "/ports/" + std::to_string(port) + "/rate")) /
            8;
      Device& device = devices[way.back()];
      device.kind = Kind::nic;
      device.speed = std::max(device.speed, speed);
      device.ports = std::clamp(static_cast<int>(ports.size()), 1, 1024);
      if (is_name(name)) device_names_[way.back()] = name;
    }
  }

  static std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
  }

  double link_bandwidth(const std::string& address) const {
    const std::string path = "/sys/bus/pci/devices/" + address;
    return pci_bandwidth(tree_.read(path + "/current_link_speed"), tree_.read(path + "/current_link_width"));
  }

  void add_device(const std::string& address, const Device& device, const std::string& folder) {
    const auto numa = numa_objects_.find(
        static_cast<int>(leading_number(tree_.read("/sys/bus/pci/devices/" + address + "/numa_node"), none)));
    int parent = numa == numa_objects_.end() ? graph_.nodes()[0] : numa->second;
    std::vector<std::string> way = pci_way(folder);
    if (!way.empty()) way.pop_back();
    for (const std::string& bridge : way) {
      const auto [found, is_new] = bridges_.emplace(bridge, none);
      if (is_new)
        found->second = graph_.add({.kind = Kind::bridge,
                                    .name = "pci-" + bridge,
                                    .parent = parent,
                                    .bandwidth = link_bandwidth(bridge),
                                    .pci = bridge});
      parent = found->second;
    }
    const std::string number = std::to_string(device.kind == Kind::gpu ? gpus_++ : nics_++);
    const auto known = device_names_.find(address);
    const std::string name = device.kind == Kind::gpu         ? "gpu" + number
                             : known != device_names_.end()   ? known->second
                             : !device.interface.empty()      ? device.interface
                                                              : "nic" + number;
    graph_.add({.kind = device.kind,
                .name = graph_.find(graph_[0].name + "/" + name) == none ? name : name + "-" + address,
                .parent = parent,
                .bandwidth = link_bandwidth(address),
                .pci = address,
                .model = model_of(address),
                .interface = device.interface,
                .speed = device.speed,
                .ports = device.ports});
  }

  /// "10de:2330": the vendor's and the device's numbers, whose names are in a data base that need not be here.
  std::string model_of(const std::string& address) const {
    const auto number = [&](const char* file) {
      const std::string text = tree_.read("/sys/bus/pci/devices/" + address + "/" + file);
      return text.starts_with("0x") && text.size() == 6 && is_name(text) ? text.substr(2) : "";
    };
    const std::string vendor = number("vendor"), device = number("device");
    return vendor.empty() || device.empty() ? "" : vendor + ":" + device;
  }

  /// In a container the only way out may be an interface without a device.
  void add_plain_interfaces() {
    for (const std::string& interface : sorted(tree_.list("/sys/class/net"))) {
      const std::string path = "/sys/class/net/" + interface;
      if (interface == "lo" || !is_name(interface) || tree_.read(path + "/operstate") != "up") continue;
      if (!tree_.list(path + "/bridge").empty()) continue;
      if (graph_.find(graph_[0].name + "/" + interface) != none) continue;
      graph_.add({.kind = Kind::nic,
                  .name = interface,
                  .parent = 0,
                  .interface = interface,
                  .speed = interface_speed(interface)});
    }
  }

  const Tree& tree_;
  Graph graph_;
  std::vector<Core> cores_;
  std::set<const Core*> done_;
  std::vector<int> numas_;
  std::map<int, double> memory_;
  std::map<int, int> numa_objects_;
  std::map<std::string, int> bridges_;
  std::map<std::string, std::string> device_names_;
  int l3s_ = 0, core_count_ = 0, gpus_ = 0, nics_ = 0;
};

}  // namespace detail

/// The machine that a kernel's /sys describes: packages, NUMA nodes, L3 caches, cores, and the GPUs and NICs with the
/// PCI bridges on the way to them. Files that are missing or make no sense leave out what they would have told.
template <SysTree Tree>
Graph read_sysfs(const Tree& tree, std::string node_name) {
  return detail::SysReader<Tree>(tree, std::move(node_name)).read();
}

/// This node's.
inline Graph read_sysfs() {
  char name[65] = {};
  ::gethostname(name, sizeof name - 1);
  const std::string_view full(name);
  return read_sysfs(SysFiles(), std::string(full.substr(0, full.find('.'))));
}

}  // namespace ringcoll::inline v0::topology
