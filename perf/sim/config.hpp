// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ringcoll/families.hpp>
#include <ringcoll/placement.hpp>
#include <ringcoll/sim/model.hpp>
#include <ringcoll/sim/predict.hpp>

#include "../collective.hpp"

namespace perf {

/// The command line of ringcoll_sim, checked. Times are ns.
struct SimConfig {
  Collective collective = Collective::allreduce;
  std::vector<const ringcoll::FamilyOf*> algorithms;
  int nodes = 1, ranks_per_node = 2;
  ringcoll::Placement placement = ringcoll::Placement::one_node(2);
  int root = 0;
  std::vector<std::size_t> sizes;
  ringcoll::sim::Model model;
  std::string model_name = "shm";
  std::size_t frame_bytes = 0;  ///< 0: that of the transports which ranks so placed use
  int slots = 0;                ///< likewise
  std::vector<ringcoll::sim::Straggler> stragglers;
  std::uint64_t most_steps = 1'000'000;

  std::string svg_path, trace_path, json_path;
  std::size_t trace_bytes = 0;  ///< 0: the largest of the sizes
  bool force = false;

  std::vector<std::string> measurements;  ///< --calibrate: CSV files of ringcoll_perf
  std::string tuning_path;                ///< what comes of them; empty: standard output

  std::string command;  ///< as given

  int size() const { return nodes * ranks_per_node; }
};

/// What the selector is asked for the call that ringcoll_perf makes with this size: bytes in the table's sense.
ringcoll::Question question_of(const SimConfig& config, std::size_t bytes);
ringcoll::sim::Scenario scenario_of(const SimConfig& config, const ringcoll::Choice& choice, std::size_t bytes,
                                    bool in_place);

/// Throws usage_error. Nothing if the command line asked for --help or --version only.
std::optional<SimConfig> parse_sim_command_line(int argc, char** argv);

}  // namespace perf
