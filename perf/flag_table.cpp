// SPDX-License-Identifier: Apache-2.0
#include "flag_table.hpp"

#include <limits>

#include "exit_code.hpp"
#include "parse.hpp"

namespace perf {
namespace {

using Text = const std::string&;

constexpr long long many = std::numeric_limits<int>::max();

int integer(Text flag, Text value, long long lowest, long long highest = many) {
  return static_cast<int>(parse_integer(flag, value, lowest, highest));
}

/// Accepts what nccl-tests accepts where it means nothing to ringcoll.
void not_applicable(Config& config, Text flag, Text value, long long lowest, long long highest, long long idle) {
  if (parse_integer(flag, value, lowest, highest) != idle)
    config.warnings.push_back(flag + " " + value + ": has no meaning for ringcoll on CPUs and is ignored");
}

void set_json(Config& config, Text flag, Text value) {
  if (flag == "-J" && !value.ends_with(".json"))
    throw usage_error("-J '" + value + "': expected a name that ends in .json");
  if (value == "-") config.format = Format::json;
  else config.json_path = value;
}

const char* const sizes = "Sizes, as in nccl-tests";
const char* const what = "What runs, as in nccl-tests";
const char* const how = "How it is measured, as in nccl-tests";
const char* const output = "Output, as in nccl-tests";
const char* const ignored = "Accepted from nccl-tests, without meaning here";
const char* const ranks = "Ranks";
const char* const more_sizes = "More about measuring";
const char* const more_output = "More output";
const char* const peers = "Side by side with MPI and Gloo";
const char* const testing = "Testing this program";

}  // namespace

std::string display_name(const Flag& flag) {
  return flag.letter != 0 ? std::string("-") + flag.letter : "--" + flag.name;
}

const std::vector<Flag>& flag_table() {
  static const std::vector<Flag> table = {
      {'b', "minbytes", "SIZE", sizes, "Smallest size [32M]",
       [](Config& c, Text f, Text v) { c.min_bytes = parse_size(f, v); }},
      {'e', "maxbytes", "SIZE", sizes, "Largest size [32M]",
       [](Config& c, Text f, Text v) { c.max_bytes = parse_size(f, v); }},
      {'i', "stepbytes", "SIZE", sizes, "Step between sizes [1M]",
       [](Config& c, Text f, Text v) { c.step_bytes = parse_size(f, v); }},
      {'f', "stepfactor", "FACTOR", sizes, "Factor between sizes, instead of a step",
       [](Config& c, Text f, Text v) { c.step_factor = static_cast<std::size_t>(parse_integer(f, v, 1, many)); }},

      {'o', "op", "OP", what, "sum prod max min avg mulsum all [sum]",
       [](Config& c, Text f, Text v) { c.ops = parse_ops(f, v); }},
      {'d', "datatype", "TYPE", what,
       "int8 uint8 int32 uint32 int64 uint64 half float double bfloat16 f8e4m3 f8e5m2 all [float]",
       [](Config& c, Text f, Text v) { c.types = parse_types(f, v); }},
      {'r', "root", "RANK", what, "Root, or all [0]",
       [](Config& c, Text f, Text v) {
         c.every_root = v == "all" || v == "-1";
         c.root = c.every_root ? 0 : integer(f, v, 0);
       }},
      {'u', "unalign", "COUNT", what, "Start the buffers this many elements late [0]",
       [](Config& c, Text f, Text v) { c.unalign = integer(f, v, 0, 4096); }},

      {'n', "iters", "COUNT", how, "Timed iterations [20]",
       [](Config& c, Text f, Text v) { c.iters = integer(f, v, 1); }},
      {'w', "warmup_iters", "COUNT", how, "Iterations before the timed ones [1]",
       [](Config& c, Text f, Text v) { c.warmup_iters = integer(f, v, 0); }},
      {'m', "agg_iters", "COUNT", how, "Calls in flight at once in each iteration [1]",
       [](Config& c, Text f, Text v) { c.agg_iters = integer(f, v, 1, 4096); }},
      {'N', "run_cycles", "COUNT", how, "Times to go through all sizes; 0: for ever [1]",
       [](Config& c, Text f, Text v) { c.run_cycles = integer(f, v, 0); }},
      {'c', "check", "COUNT", how, "Calls whose result is checked; 0: none [1]",
       [](Config& c, Text f, Text v) { c.check_iters = integer(f, v, 0); }},
      {'a', "average", "0-3", how, "Time of: 0 rank 0, 1 mean, 2 fastest, 3 slowest rank [1]",
       [](Config& c, Text f, Text v) { c.average = static_cast<Average>(integer(f, v, 0, 3)); }},
      {'z', "blocking", "0-3", how, "1: barrier after each call, 3: after each iteration, outside the time [0]",
       [](Config& c, Text f, Text v) { c.pace = static_cast<Pace>(integer(f, v, 0, 3)); }},
      {'T', "timeout", "SECONDS", how, "End with code 4 when one measurement takes longer; 0: never [0]",
       [](Config& c, Text f, Text v) { c.timeout = integer(f, v, 0, 1000000); }},
      {'C', "report_cputime", "0/1", how, "CPU time instead of elapsed time in the time column [0]",
       [](Config& c, Text f, Text v) { c.report_cputime = parse_bool(f, v); }},
      {'I', "per_iter_timing", "0/1", how, "Columns i_min i_max i_p99 i_cv% [0]",
       [](Config& c, Text f, Text v) { c.per_iteration = parse_bool(f, v); }},
      {'K', "per_iter_skip", "COUNT", how, "Iterations that these columns leave out [0]",
       [](Config& c, Text f, Text v) { c.per_iteration_skip = integer(f, v, 0); }},

      {'S', "report_timestamps", "0/1", output, "Add a column with the time of day [0]",
       [](Config& c, Text f, Text v) { c.report_timestamps = parse_bool(f, v); }},
      {'J', "output_file", "FILE.json", output, "Write JSON as well", set_json},
      {'M', "memory", "0/1", output, "Add a line on memory use [0]",
       [](Config& c, Text f, Text v) { c.report_memory = parse_bool(f, v); }},

      {'t', "nthreads", "COUNT", ranks, "As -g: -t times -g ranks are forked [1]",
       [](Config& c, Text f, Text v) { c.threads = integer(f, v, 1, max_ranks); }},
      {'g', "ngpus", "COUNT", ranks, "Ranks to fork, as nccl-tests takes GPUs [1]",
       [](Config& c, Text f, Text v) { c.devices = integer(f, v, 1, max_ranks); }},
      {0, "ranks", "COUNT", ranks, "Ranks to fork on this machine [those of torchrun, mpirun, srun, or 1]",
       [](Config& c, Text f, Text v) { c.ranks = integer(f, v, 1, max_ranks); }},
      {0, "transport", "NAME", ranks, "auto, shm or tcp [auto]",
       [](Config& c, Text f, Text v) {
         parse_choice(f, v, {"auto", "shm", "tcp"});
         c.transport = v;
       }},
      {0, "pin", "", ranks, "Keep each rank on a core of its own", [](Config& c, Text, Text) { c.pin = true; }},

      {0, "sizes", "LIST", more_sizes, "These sizes, such as 8,1K,64M, instead of -b -e -i -f",
       [](Config& c, Text f, Text v) { c.sizes = parse_sizes(f, v); }},
      {0, "duration", "TIME", more_sizes, "Time of each measurement, such as 2s, instead of -n",
       [](Config& c, Text f, Text v) { c.duration = parse_seconds(f, v); }},
      {0, "touch", "", more_sizes, "Write and read the buffers between iterations, outside the time",
       [](Config& c, Text, Text) { c.touch = true; }},

      {0, "reproducible", "", more_sizes, "Sums whose bits do not depend on size and schedule",
       [](Config& c, Text, Text) { c.reproducible = true; }},

      {0, "percentiles", "LIST", more_output, "Columns with these, such as 50,95,99, on the right",
       [](Config& c, Text f, Text v) { c.percentiles = parse_percentiles(f, v); }},
      {0, "format", "NAME", more_output, "What stdout carries: text, csv or json [text]",
       [](Config& c, Text f, Text v) { c.format = static_cast<Format>(parse_choice(f, v, {"text", "csv", "json"})); }},
      {0, "csv", "FILE", more_output, "Write CSV as well; -: as --format csv",
       [](Config& c, Text, Text v) {
         if (v == "-") c.format = Format::csv;
         else c.csv_path = v;
       }},
      {0, "json", "FILE", more_output, "As -J, under any name; -: as --format json", set_json},
      {0, "explain", "", more_output, "Instead of measuring: the schedules there are, predicted, measured and chosen",
       [](Config& c, Text, Text) { c.explain = true; }},
      {0, "force", "", more_output, "Overwrite files that exist", [](Config& c, Text, Text) { c.force = true; }},

      {0, "peers-csv", "FILE", peers, "Measure as the peers' harness does; the collective may be all; -: stdout",
       [](Config& c, Text, Text v) { c.peers_path = v; }},
      {0, "budget", "TIME", peers, "Time for each row [250ms]",
       [](Config& c, Text f, Text v) { c.budget = parse_seconds(f, v); }},
      {0, "min-iters", "COUNT", peers, "Iterations of each row, at least [5]",
       [](Config& c, Text f, Text v) { c.min_iters = integer(f, v, 1, 4000); }},
      {0, "max-iters", "COUNT", peers, "Iterations of each row, at most [2000]",
       [](Config& c, Text f, Text v) { c.max_iters = integer(f, v, 1, 4000); }},

      {0, "inject", "FAULT", testing, "Make the last rank fail: wrong, outside, input, error, hang or die",
       [](Config& c, Text f, Text v) {
         c.inject =
             static_cast<Inject>(parse_choice(f, v, {"nothing", "wrong", "outside", "input", "error", "hang", "die"}));
       }},

      {'p', "parallel_init", "0/1", ignored, "Start threads in parallel",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, 1, 0); }},
      {'y', "stream_null", "0/1", ignored, "The null stream",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, 1, 0); }},
      {'G', "cudagraph", "COUNT", ignored, "Launches of a CUDA graph",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, many, 0); }},
      {'R', "local_register", "0-2", ignored, "Registered buffers",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, 2, 0); }},
      {'x', "cta_policy", "0-2", ignored, "Thread blocks",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, 2, -1); }},
      {'D', "device_implementation", "NUMBER", ignored, "Kernels of the test itself",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 0, many, 0); }},
      {'V', "device_cta_count", "COUNT", ignored, "Their thread blocks",
       [](Config& c, Text f, Text v) { not_applicable(c, f, v, 1, 128, 16); }},
  };
  return table;
}

}  // namespace perf
