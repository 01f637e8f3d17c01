// SPDX-License-Identifier: Apache-2.0
#include "facts.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/fold.hpp>
#include <ringcoll/topology/sysfs.hpp>
#if RINGCOLL_WITH_BOOTSTRAP
#include <ringcoll/bootstrap/interfaces.hpp>
#endif

namespace info {
namespace {

const ringcoll::topology::SysFiles files;

std::string first_line(const std::string& path) {
  const std::string text = files.read(path);
  return text.substr(0, text.find('\n'));
}

Amount amount_in(std::string_view text) {
  if (text == "max" || text == "-1") return {.known = true, .unlimited = true};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return {};
  return {.known = true, .value = value};
}

/// "MemTotal:   123 kB" as bytes.
Amount memory_field(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t digits = line.find_first_of("0123456789", key.size());
    Amount amount = amount_in(std::string_view(line).substr(std::min(digits, line.size())));
    amount.value *= 1024;
    return amount;
  }
  return {};
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "";
}

/// The folder of this process's control group: of version 2, or of one controller of version 1.
std::string group_folder(std::string_view controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    const bool is_v2 = names.empty() && !files.read("/sys/fs/cgroup/cgroup.controllers").empty();
    if (is_v2) return "/sys/fs/cgroup" + path;
    if (("," + names + ",").find("," + std::string(controller) + ",") != std::string::npos)
      return "/sys/fs/cgroup/" + std::string(controller) + path;
  }
  return "/sys/fs/cgroup";
}

/// The least of an amount in a group and in those that it is in; a container shows its own group as the root.
template <class Read>
Amount least_up(std::string folder, Read&& read) {
  Amount least;
  for (;;) {
    const Amount here = read(folder);
    if (here.known && !here.unlimited && (!least.known || here.value < least.value)) least = here;
    if (folder.size() <= std::string_view("/sys/fs/cgroup").size()) break;
    folder.resize(folder.rfind('/'));
  }
  return least;
}

Amount cpu_quota() {
  return least_up(group_folder("cpu"), [](const std::string& folder) -> Amount {
    const std::string text = first_line(folder + "/cpu.max");
    Amount quota = amount_in(text.substr(0, text.find(' '))), period = {};
    if (quota.known) period = amount_in(text.substr(std::min(text.find(' '), text.size() - 1) + 1));
    else {
      quota = amount_in(first_line(folder + "/cpu.cfs_quota_us"));
      period = amount_in(first_line(folder + "/cpu.cfs_period_us"));
    }
    if (!quota.known || quota.unlimited || !period.known || period.value <= 0) return {};
    return {.known = true, .value = quota.value / period.value};
  });
}

Amount memory_limit() {
  const Amount limit = least_up(group_folder("memory"), [](const std::string& folder) {
    const Amount v2 = amount_in(first_line(folder + "/memory.max"));
    return v2.known ? v2 : amount_in(first_line(folder + "/memory.limit_in_bytes"));
  });
  return limit.known && limit.value > 1e15 ? Amount{} : limit;  // version 1 says "no limit" by a huge number
}

Amount resource_limit(decltype(RLIMIT_NOFILE) which, bool hard) {
  rlimit limit{};
  if (getrlimit(which, &limit) != 0) return {};
  const rlim_t value = hard ? limit.rlim_max : limit.rlim_cur;
  return {.known = true, .unlimited = value == RLIM_INFINITY, .value = static_cast<double>(value)};
}

/// "always [madvise] never": what is in brackets.
std::string chosen_of(const std::string& text) {
  const std::size_t open = text.find('['), close = text.find(']');
  return open == text.npos || close == text.npos ? text : text.substr(open + 1, close - open - 1);
}

void try_memfd(Facts& facts) {
  constexpr off_t bytes = 1 << 20;
  const ringcoll::detail::Fd fd(memfd_create("ringcoll_info", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  facts.memfd = fd && fallocate(fd.get(), 0, 0, bytes) == 0;
  if (!facts.memfd) facts.memfd_error = std::strerror(errno);
}

void find_addresses(Facts& facts) {
#if RINGCOLL_WITH_BOOTSTRAP
  namespace bootstrap = ringcoll::bootstrap;
  try {
    const char* const selection = std::getenv("RINGCOLL_IFNAME");
    const auto without_port = [](const bootstrap::InetAddress& address) {
      const std::string text = address.to_string();
      return text.substr(0, text.rfind(':'));
    };
    const std::vector<bootstrap::Interface> interfaces = bootstrap::list_interfaces();
    for (const bootstrap::Interface& i : interfaces) facts.interfaces.push_back({i.name, without_port(i.address)});
    for (const bootstrap::InetAddress& address :
         bootstrap::choose_addresses(interfaces, selection != nullptr ? selection : ""))
      facts.addresses.push_back(without_port(address));
  } catch (const ringcoll::Error& error) {
    facts.address_error = error.what();
  }
#else
  facts.address_error = "this build has no component bootstrap";
#endif
}

void find_rdma(Facts& facts) {
  std::vector<std::string> devices = files.list("/sys/class/infiniband");
  std::sort(devices.begin(), devices.end());
  for (const std::string& device : devices) {
    const std::string ports = "/sys/class/infiniband/" + device + "/ports";
    for (const std::string& port : files.list(ports))
      facts.rdma.push_back(device + " port " + port + ": " + first_line(ports + "/" + port + "/state") + ", " +
                           first_line(ports + "/" + port + "/rate"));
  }
}

std::vector<std::string> components() {
  return {
#if RINGCOLL_WITH_BOOTSTRAP
      "bootstrap",
#endif
#if RINGCOLL_WITH_SHM
      "shm",
#endif
#if RINGCOLL_WITH_TCP
      "tcp",
#endif
#if RINGCOLL_WITH_PMIX
      "pmix",
#endif
#if RINGCOLL_WITH_TOPOLOGY
      "topology",
#endif
#if RINGCOLL_WITH_HWLOC_XML
      "hwloc_xml",
#endif
#if RINGCOLL_WITH_HWLOC
      "hwloc",
#endif
#if RINGCOLL_WITH_VERBS
      "verbs",
#endif
#if RINGCOLL_WITH_UCX
      "ucx",
#endif
#if RINGCOLL_WITH_CUDA
      "cuda",
#endif
#if RINGCOLL_WITH_TLS
      "tls",
#endif
  };
}

}  // namespace

Facts gather_facts() {
  Facts facts;
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  facts.node = name;
  utsname system{};
  if (uname(&system) == 0) facts.kernel = std::string(system.sysname) + " " + system.release;
  facts.processor = processor_name();
  facts.cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) facts.allowed_cpus = CPU_COUNT(&allowed);
  facts.cpu_quota = cpu_quota();
  facts.memory = memory_field("MemTotal:");
  facts.free_memory = memory_field("MemAvailable:");
  facts.memory_limit = memory_limit();
  facts.memlock = resource_limit(RLIMIT_MEMLOCK, false);
  facts.files = resource_limit(RLIMIT_NOFILE, false);
  facts.files_hard = resource_limit(RLIMIT_NOFILE, true);
  struct statvfs shm{};
  if (statvfs("/dev/shm", &shm) == 0)
    facts.shm_bytes = {.known = true, .value = static_cast<double>(shm.f_bavail) * static_cast<double>(shm.f_frsize)};
  try_memfd(facts);
  facts.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  facts.huge_pages = chosen_of(first_line("/sys/kernel/mm/transparent_hugepage/enabled"));
  facts.shared_huge_pages = chosen_of(first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  facts.numa_balancing = first_line("/proc/sys/kernel/numa_balancing");
  facts.iommu = !files.list("/sys/class/iommu").empty();
  find_addresses(facts);
  find_rdma(facts);
  facts.components = components();
  facts.simd = ringcoll::detail::simd_name();
  facts.best_simd = ringcoll::detail::name(ringcoll::detail::best_simd());
#if defined(__clang__)
  facts.compiler = "clang " __clang_version__;
#else
  facts.compiler = "g++ " __VERSION__;
#endif
  return facts;
}

}  // namespace info
