// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>

#include "collective.hpp"

namespace perf {

/// Which ranks' time counts, as -a numbers them.
enum class Average { rank0, mean, min, max };

/// What the timed loop waits for besides the call itself, as -z numbers it. ringcoll's calls are complete when they
/// return, so that 2 is the same as 0.
enum class Pace { free, barrier_inside, wait, barrier_outside };

enum class Format { text, csv, json };

/// Faults that the program makes on purpose, so that its own checks can be tested.
enum class Inject { nothing, wrong, outside, input, error, hang, die };

struct Variable {
  std::string name, value;
};

/// How *_TESTS_SPLIT makes groups of the ranks: rank `sign` number, with & | % or /.
struct Split {
  char sign = '&';
  int number = 0;  ///< & 0: all in one group
};

/// The command line and the environment, checked. Sizes are bytes, times are seconds.
struct Config {
  Collective collective = Collective::allreduce;
  bool every_collective = false;  ///< only with --peers-csv

  std::vector<std::size_t> sizes;  ///< --sizes; empty: from min_bytes, max_bytes and the step
  std::size_t min_bytes = 32u << 20, max_bytes = 32u << 20;
  std::size_t step_bytes = 1u << 20, step_factor = 1;

  int iters = 20, warmup_iters = 1, agg_iters = 1, run_cycles = 1, check_iters = 1;
  double duration = 0;  ///< of each measurement; 0: iters decides
  Average average = Average::mean;
  Pace pace = Pace::free;

  std::vector<ringcoll::DataType> types{ringcoll::DataType::float32};
  std::vector<ringcoll::OpId> ops{ringcoll::OpId::sum};
  int root = 0;
  int unalign = 0;  ///< elements
  bool every_root = false, touch = false;

  int threads = 1, devices = 1;  ///< -t and -g
  int ranks = 0;                 ///< ranks to fork; 0: a launcher started this process, or it is alone
  std::string transport = "auto";
  int timeout = 0;

  bool pin = false;
  bool explain = false;
  bool reproducible = false;
  bool report_cputime = false, report_timestamps = false, report_memory = false;
  bool per_iteration = false;
  int per_iteration_skip = 0;
  std::vector<double> percentiles;
  Format format = Format::text;
  bool force = false;
  std::string csv_path, json_path, peers_path;

  double budget = 0.25;  ///< --peers-csv: seconds a row
  int min_iters = 5, max_iters = 2000;

  Inject inject = Inject::nothing;

  Split split;
  std::optional<double> minimum_busbw;  ///< *_TESTS_MIN_BW, GB/s

  std::vector<std::string> arguments;  ///< as given
  std::vector<Variable> environment;   ///< what of it may be shown
  std::vector<std::string> warnings;   ///< for rank 0 to print once
};

/// The sizes to measure, in order.
std::vector<std::size_t> sizes_of(const Config& config);
/// What a buffer must hold.
std::size_t largest_size(const Config& config);

/// Per-iteration times cost a clock reading an iteration: they are taken only if something shows them.
bool wants_samples(const Config& config);

}  // namespace perf
