// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ringcoll/communicator.hpp>

#include "config.hpp"

namespace perf {

/// All ranks of the run, which agree and are timed together, and the group in which this rank's collectives run: the
/// same, unless *_TESTS_SPLIT divides the ranks.
class World {
 public:
  /// `color` says which group a rank is in.
  World(ringcoll::Communicator all, int color);

  int rank() const { return all_.rank(); }
  int size() const { return all_.size(); }
  int color() const { return color_; }
  ringcoll::Communicator& group() { return group_; }

  void barrier();
  double average(double value, Average how);
  double max(double value);
  /// Over this rank's group only.
  double group_max(double value);
  std::uint64_t sum(std::uint64_t value);
  /// On rank 0, each becomes the largest of all ranks'; all pass the same number of them.
  void max_at_rank0(std::vector<double>& values);
  /// Everyone gets rank 0's.
  long from_rank0(long value);
  /// On rank 0 all ranks' values, or texts, in rank order; elsewhere nothing.
  std::vector<double> at_rank0(double value);
  std::vector<std::string> at_rank0(const std::string& text);

 private:
  ringcoll::Communicator all_, group_;
  int color_;
};

}  // namespace perf
