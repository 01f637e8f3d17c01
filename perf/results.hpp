// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config.hpp"
#include "machine.hpp"
#include "statistics.hpp"

namespace perf {

/// One half of a row: out of place or in place. Times are seconds.
struct Side {
  double time = 0;                     ///< a call's, averaged over iterations, then over ranks as -a says
  double cpu_time = 0;                 ///< likewise
  double algbw = 0, busbw = 0;         ///< GB/s
  std::optional<std::uint64_t> wrong;  ///< elements, over all ranks; nothing if unchecked
  int failed_checks = 0;               ///< over all ranks
  int iterations = 0;
  std::optional<int> slowest_rank;
  Statistics samples;  ///< per iteration and call, if taken
};

struct Row {
  Collective collective = Collective::allreduce;
  std::size_t bytes = 0, count = 0;
  ringcoll::DataType type = ringcoll::DataType::float32;
  ringcoll::OpId op = ringcoll::OpId::absent;
  int root = -1;
  int cycle = 0;
  Side out_of_place, in_place;
};

struct Run {
  Config config;
  int group_size = 1;    ///< of rank 0's group
  std::string launcher;  ///< what started the ranks
  std::vector<Device> devices;
  std::size_t reduced_to = 0;  ///< the largest size, if memory did not allow what was asked for; 0: it did
  std::string started;         ///< time of day, UTC
};

/// Bytes, of the rank that uses most.
struct MemoryUse {
  std::size_t connecting = 0, buffers = 0, calls = 0;
};

struct Summary {
  int failed_checks = 0;
  double average_busbw = 0;
  std::optional<double> minimum_busbw;  ///< that was asked for
  std::optional<MemoryUse> memory;

  bool too_slow() const { return minimum_busbw && average_busbw < 0.9 * *minimum_busbw; }
  bool ok() const { return failed_checks == 0 && !too_slow(); }
};

}  // namespace perf
