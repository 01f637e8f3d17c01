// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

// What a reader of numbers wants to know about where they were measured.

namespace perf {

/// One rank's place: the "device" of nccl-tests' table is the rank's index on its host.
struct Device {
  int rank = 0, group = 0, pid = 0, local_rank = 0, cpu = 0;
  std::string host, model;
};

/// This process. local_rank is not known here.
Device this_device(int rank, int group);
/// To send it, and to read what was sent.
std::string encode(const Device& device);
/// All ranks' devices; numbers the ranks of each host.
std::vector<Device> decode(const std::vector<std::string>& texts);

std::string host_name();
std::string cpu_model();
std::string kernel_version();
std::string compiler_version();
/// The frequency governor of CPU 0, or empty.
std::string cpu_governor();
int cpu_count();

/// Bytes that this process may still take, as the kernel and the control group see it.
std::size_t available_memory();
/// Bytes of this process that are in memory, shared ones included.
std::size_t resident_memory();

/// Keeps the process on one of the cores that it may use, the one numbered `local_rank` (round and round).
void pin_to_core(int local_rank);

}  // namespace perf
