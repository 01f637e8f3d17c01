// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "exit_code.hpp"

namespace perf {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// A file that holds one number, or "max"; `otherwise` if there is none.
std::size_t number_in(const char* path, std::size_t otherwise) {
  const std::string text = first_line(path);
  std::size_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The value of "key : value" or "key: value kB" in a file of such lines.
std::string field_of(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

}  // namespace

Device this_device(int rank, int group) {
  return {
      .rank = rank, .group = group, .pid = getpid(), .cpu = sched_getcpu(), .host = host_name(), .model = cpu_model()};
}

std::string encode(const Device& device) {
  std::ostringstream text;
  text << device.rank << ' ' << device.group << ' ' << device.pid << ' ' << device.cpu << ' ' << device.host << ' '
       << device.model;
  return text.str();
}

std::vector<Device> decode(const std::vector<std::string>& texts) {
  std::vector<Device> devices;
  std::map<std::string, int> ranks_on;
  for (const std::string& text : texts) {
    Device device;
    std::istringstream in(text);
    in >> device.rank >> device.group >> device.pid >> device.cpu >> device.host >> std::ws;
    std::getline(in, device.model);
    device.local_rank = ranks_on[device.host]++;
    devices.push_back(device);
  }
  return devices;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  // As nccl-tests: without the domain.
  return std::string(name).substr(0, std::string_view(name).find('.'));
}

std::string cpu_model() {
  const std::string model = field_of("/proc/cpuinfo", "model name");
  return model.empty() ? "CPU" : model;
}

std::string kernel_version() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "";
}

std::string compiler_version() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "g++ " __VERSION__;
#else
  return "";
#endif
}

std::string cpu_governor() { return first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); }

int cpu_count() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::size_t available_memory() {
  std::size_t kilobytes = 0;
  const std::string text = field_of("/proc/meminfo", "MemAvailable");
  std::from_chars(text.data(), text.data() + text.size(), kilobytes);
  const std::size_t machine = kilobytes > 0 ? kilobytes * 1024 : SIZE_MAX;
  const std::size_t limit = number_in("/sys/fs/cgroup/memory.max", SIZE_MAX);
  const std::size_t used = number_in("/sys/fs/cgroup/memory.current", 0);
  return std::min(machine, limit > used ? limit - used : 0);
}

std::size_t resident_memory() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void pin_to_core(int local_rank) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  const int count = CPU_COUNT(&allowed);
  int skip = local_rank % std::max(count, 1);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
      throw Failure(ExitCode::internal, "--pin: core " + std::to_string(cpu) + ": " + std::strerror(errno));
    return;
  }
}

}  // namespace perf
