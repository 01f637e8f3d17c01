// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "call.hpp"
#include "config.hpp"
#include "memory.hpp"
#include "placement.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "world.hpp"

namespace perf {

/// What a block of rows has in common.
struct Case {
  ringcoll::DataType type;
  ringcoll::OpId op;
  int root;
};

/// Times calls and checks results as nccl-tests does: all iterations between two barriers, then the checked calls.
class Bench {
 public:
  Bench(const Config& config, World& world, const Buffers& buffers, Progress& progress);

  void warm_up(const Case& what);
  /// Every rank calls it; what it returns counts on rank 0.
  Side measure(const Case& what, std::size_t bytes, bool in_place);
  /// As the table's columns size and count have it.
  Row row_of(const Case& what, std::size_t bytes) const;

 private:
  struct Timing {
    double elapsed = 0, cpu = 0;  ///< seconds, of all iterations
    std::vector<double> samples;  ///< of each, per call
  };

  Problem problem_of(const Case& what) const;
  Placement placement_of(const Case& what, std::size_t bytes, bool in_place) const;
  Timing time(const Operation& operation, const Placement& placement, long iterations, bool sampled);
  void iterate(const Operation& operation, const Placement& placement, Call& call);
  long iterations_for(const Operation& operation, const Placement& placement);
  void check(const Operation& operation, const Placement& placement, Problem problem, Side& side);
  Mismatch checked_call(const Operation& operation, const Placement& placement, const Problem& problem, long iteration);
  Mismatch checked_barrier(const Operation& operation, const Call& call);
  void inject_before() const;
  bool is_last() const { return world_->rank() == world_->size() - 1; }

  const Config* config_;
  World* world_;
  const Buffers* buffers_;
  Progress* progress_;
  std::vector<ringcoll::Work> works_;
  std::string stage_;
  std::uint64_t seed_ = 99;
};

}  // namespace perf
