// SPDX-License-Identifier: Apache-2.0
#include "findings.hpp"

#include <algorithm>

#include "columns.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;

constexpr double mib = 1 << 20, gib = 1 << 30;

bool below(const Amount& amount, double least) { return amount.known && !amount.unlimited && amount.value < least; }

void add_processors(std::vector<Finding>& found, const Facts& facts) {
  if (facts.allowed_cpus > 0 && facts.allowed_cpus < facts.cpus)
    found.push_back({Weight::note, "affinity",
                     perf::print("This process may run on %d of %d CPUs; ranks started from here share these.",
                                 facts.allowed_cpus, facts.cpus),
                     "Ask the launcher or the container for more, or start no more ranks than CPUs.",
                     "taskset -cp $$"});
  const int usable = facts.allowed_cpus > 0 ? facts.allowed_cpus : facts.cpus;
  if (below(facts.cpu_quota, usable))
    found.push_back({Weight::slow, "cpu quota",
                     perf::print("The control group allows %.3g CPUs of time, and %d are visible: with a rank on each, "
                                 "all ranks stand still together for the rest of each period.",
                                 facts.cpu_quota.value, usable),
                     perf::print("Start at most %.0f ranks, or raise the limit of the container.",
                                 std::max(1.0, facts.cpu_quota.value)),
                     perf::print("docker update --cpus %d CONTAINER", usable)});
  if (!facts.governor.empty() && facts.governor != "performance")
    found.push_back({Weight::slow, "governor",
                     "The frequency governor is '" + facts.governor +
                         "': cores that wait for a peer slow down, and short messages take longer.",
                     "Choose the governor 'performance' while measuring or training.",
                     "sudo cpupower frequency-set -g performance"});
  if (facts.simd != facts.best_simd)
    found.push_back(
        {Weight::slow, "simd",
         "RINGCOLL_SIMD holds the kernels to " + facts.simd + "; this processor has " + facts.best_simd + ".",
         "Leave it unset, unless you compare.", "unset RINGCOLL_SIMD"});
}

void add_memory(std::vector<Finding>& found, const Facts& facts, const topology::Graph& graph) {
  if (!facts.memfd)
    found.push_back({Weight::problem, "memfd",
                     "Shared memory cannot be made (memfd_create and fallocate of 1 MiB: " + facts.memfd_error +
                         "), so ranks of this node would need TCP.",
                     "Allow memfd_create in the container's seccomp profile, or leave room in its memory limit.",
                     "docker run --security-opt seccomp=unconfined …"});
  if (below(facts.memory_limit, 1 * gib))
    found.push_back({Weight::slow, "memory limit",
                     "The control group allows " + bytes_text(facts.memory_limit.value) +
                         " of memory; shared memory counts too, and what exceeds it is killed.",
                     "Raise the limit of the container.", "docker update --memory 4g --memory-swap 4g CONTAINER"});
  if (facts.huge_pages == "never")
    found.push_back(
        {Weight::slow, "huge pages",
         "Transparent huge pages are off: large buffers take more time in page faults and address look-ups.",
         "Let programs ask for them.", "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"});
  if (facts.shared_huge_pages == "never")
    found.push_back({Weight::note, "huge pages", "Shared memory gets no huge pages by itself (shmem_enabled is never).",
                     "Let programs ask for them.",
                     "echo advise | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled"});
  const auto numas = graph.nodes().empty() ? 0 : graph.of_kind(graph.nodes()[0], topology::Kind::numa).size();
  if (facts.numa_balancing == "1" && numas > 1)
    found.push_back({Weight::slow, "numa balancing",
                     "The kernel moves pages between NUMA nodes while ranks use them, which makes single calls slow.",
                     "Switch it off where ranks are pinned.", "sudo sysctl kernel.numa_balancing=0"});
}

void add_limits(std::vector<Finding>& found, const Facts& facts) {
  constexpr double least_files = 4096;
  if (below(facts.files, least_files)) {
    const bool raisable = !below(facts.files_hard, least_files);
    found.push_back(
        {Weight::slow, "nofile",
         perf::print("A process may open %.0f files; each peer takes one or two.", facts.files.value),
         raisable ? "Raise it in the shell that starts the ranks."
                  : "Raise the hard limit: a line in /etc/security/limits.conf, then log in again.",
         raisable ? "ulimit -n 65536" : "echo '* hard nofile 1048576' | sudo tee -a /etc/security/limits.conf"});
  }
  if (below(facts.memlock, 64 * mib))
    found.push_back({facts.rdma.empty() ? Weight::note : Weight::slow, "memlock",
                     "A process may lock " + bytes_text(facts.memlock.value) +
                         " of memory; RDMA has to lock its buffers" +
                         (facts.rdma.empty() ? ", and there is no RDMA device here." : "."),
                     "Lift the limit: in containers --ulimit memlock=-1, else a line in /etc/security/limits.conf.",
                     "echo '* - memlock unlimited' | sudo tee -a /etc/security/limits.conf"});
  if (below(facts.shm_bytes, 64 * mib))
    found.push_back({Weight::note, "/dev/shm",
                     "/dev/shm has " + bytes_text(facts.shm_bytes.value) +
                         " free. ringcoll does not use it, other libraries of the same program may.",
                     "Give the container more, if one of these complains.", "docker run --shm-size 1g …"});
}

void add_network(std::vector<Finding>& found, const Facts& facts) {
  if (!facts.address_error.empty()) {
    found.push_back({Weight::problem, "interfaces", facts.address_error,
                     "Name interfaces that are up and have an address.", "ip -brief address"});
    return;
  }
  const bool loopback = std::all_of(facts.addresses.begin(), facts.addresses.end(), [](const std::string& address) {
    return address.starts_with("127.") || address == "[::1]";
  });
  if (loopback)
    found.push_back({Weight::slow, "interfaces",
                     "No interface but loopback is up with an address: ranks of other nodes cannot reach this one.",
                     "Bring an interface up, or start all ranks here.", "ip -brief address"});
  else if (facts.addresses.size() > 1)
    found.push_back(
        {Weight::note, "interfaces",
         "Ranks offer " + std::to_string(facts.addresses.size()) +
             " addresses to each other and try them in this order, beginning with " + facts.addresses.front() + ".",
         "If another network is faster, name its interface.",
         "export RINGCOLL_IFNAME=" + std::string(facts.interfaces.empty() ? "eth0" : facts.interfaces.back().name)});
}

bool has(const Facts& facts, std::string_view component) {
  return std::find(facts.components.begin(), facts.components.end(), component) != facts.components.end();
}

void add_devices(std::vector<Finding>& found, const Facts& facts, const topology::Graph& graph) {
  if (!facts.rdma.empty() && !has(facts, "verbs") && !has(facts, "ucx"))
    found.push_back({Weight::note, "rdma",
                     "There are RDMA devices, which this build has no component for; TCP is used.",
                     "Give TCP the interface of such a device, which is the faster network.", "rdma link"});
  const auto gpus = graph.nodes().empty() ? 0 : graph.of_kind(graph.nodes()[0], topology::Kind::gpu).size();
  if (gpus > 1 && facts.iommu)
    found.push_back(
        {Weight::note, "iommu",
         "There are several GPUs and an IOMMU: transfers between GPUs may go through the root complex, or hang.",
         "If they do, start the kernel with iommu=pt and switch ACS off in the BIOS.",
         "sudo lspci -vvv | grep -i acsctl"});
  for (const char* const component : {"bootstrap", "shm", "tcp"})
    if (!has(facts, component))
      found.push_back({Weight::slow, "components", std::string("This build has no component ") + component + ".",
                       "Install OpenSSL's headers and configure again.", "sudo apt-get install libssl-dev"});
}

}  // namespace

std::string bytes_text(double bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
  return perf::print("%.3g %s", bytes, units[unit]);
}

std::vector<Finding> find_problems(const Facts& facts, const topology::Graph& graph,
                                   const std::vector<std::string>& unknown_variables) {
  std::vector<Finding> found;
  for (const std::string& sentence : unknown_variables)
    found.push_back(
        {Weight::problem, "environment", sentence, "Correct the name, or unset it.", "ringcoll_info --env"});
  add_processors(found, facts);
  add_memory(found, facts, graph);
  add_limits(found, facts);
  add_network(found, facts);
  add_devices(found, facts, graph);
  std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) { return a.weight < b.weight; });
  return found;
}

}  // namespace info
