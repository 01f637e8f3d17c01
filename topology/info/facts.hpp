// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ringcoll/topology/graph.hpp>

namespace info {

/// An amount that the system may not tell.
struct Amount {
  bool known = false;
  bool unlimited = false;
  double value = 0;
};

struct InterfaceFacts {
  std::string name, address;
};

/// What there is on this node that ringcoll has to do with.
struct Facts {
  std::string node, kernel, processor;
  int cpus = 0, allowed_cpus = 0;
  Amount cpu_quota;                          ///< of the control group: CPUs
  Amount memory, memory_limit, free_memory;  ///< bytes
  Amount memlock, files, files_hard;
  Amount shm_bytes;  ///< free in /dev/shm
  bool memfd = false;
  std::string memfd_error;
  std::string governor, huge_pages, shared_huge_pages, numa_balancing;
  std::vector<InterfaceFacts> interfaces;
  std::vector<std::string> addresses;  ///< at which a rank would listen, best first
  std::string address_error;
  std::vector<std::string> rdma;  ///< "mlx5_0 port 1: 4: ACTIVE, 200 Gb/sec (4X HDR)"
  bool iommu = false;
  std::vector<std::string> components;
  std::string simd, best_simd, compiler;
};

Facts gather_facts();

}  // namespace info
