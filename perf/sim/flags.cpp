// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>

#include <ringcoll/error.hpp>
#include <ringcoll/sim/tuning_file.hpp>

#include "../exit_code.hpp"
#include "../parse.hpp"
#include "../version.hpp"
#include "config.hpp"
#include "presets.hpp"
#include "units.hpp"

namespace perf {
namespace {

using Text = const std::string&;

/// What flags say together and none of them alone.
struct Wishes {
  std::size_t min_bytes = 8, max_bytes = 64 << 20, factor = 2;
  std::string algorithms = "all";
};

struct SimFlag {
  char letter;  ///< 0: none
  const char* name;
  const char* value;  ///< empty: the flag has none
  const char* group;
  const char* help;
  void (*set)(SimConfig& config, Wishes& wishes, Text flag, Text value);
};

constexpr int most_ranks = 1 << 20;

int integer(Text flag, Text value, int least, int most) {
  return static_cast<int>(parse_integer(flag, value, least, most));
}

std::string preset_list() {
  std::string list;
  for (const Preset& preset : presets()) list += (list.empty() ? "" : ", ") + std::string(preset.name);
  return list;
}

void read_model(SimConfig& config, Wishes&, Text flag, Text value) {
  config.model_name = value;
  if (const Preset* const preset = find_preset(value)) {
    config.model = ringcoll::sim::read_tuning(preset->tuning, preset->name);
    return;
  }
  std::ifstream file(value, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad())
    throw usage_error(flag + " '" + value + "': expected one of " + preset_list() + ", or a tuning file to read");
  try {
    config.model = ringcoll::sim::read_tuning(text, value);
  } catch (const ringcoll::Error& error) {
    throw usage_error(flag + ": " + std::string(error.what()).substr(sizeof("ringcoll: ") - 1));
  }
}

const char* const call = "The call";
const char* const machine = "The machine";
const char* const output = "Output";
const char* const calibration = "Calibration";

// --model stands first: the others change what it says.
const SimFlag table[] = {
    {0, "model", "NAME", machine, "A machine that was measured, or a tuning file [shm]; others change it", read_model},
    {0, "nodes", "COUNT", machine, "Nodes [1]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.nodes = integer(f, v, 1, most_ranks); }},
    {0, "ranks-per-node", "COUNT", machine, "Ranks of each node [2]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.ranks_per_node = integer(f, v, 1, most_ranks); }},
    {0, "link", "RATE", machine, "Bandwidth of a NIC, each way, such as 25Gbit",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.nic_byte = parse_rate(f, v); }},
    {0, "latency", "TIME", machine, "Between nodes, such as 5us",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.inter.latency = parse_nanoseconds(f, v); }},
    {0, "rails", "COUNT", machine, "NICs of a node, which its ranks share",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.nics = integer(f, v, 1, 1024); }},
    {0, "nodes-per-switch", "COUNT", machine, "Nodes that one switch joins [all]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.nodes_per_switch = integer(f, v, 0, most_ranks); }},
    {0, "oversubscription", "FACTOR", machine, "NICs of a switch / its uplink [1]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.oversubscription = parse_factor(f, v, 1); }},
    {0, "intra", "RATE", machine, "Bandwidth of a link within a node, beside what the cores take",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.intra.byte = parse_rate(f, v); }},
    {0, "intra-latency", "TIME", machine, "Within a node, such as 200ns",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.intra.latency = parse_nanoseconds(f, v); }},
    {0, "cores", "COUNT", machine, "Cores of a machine; 0: one for each rank",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.cores = integer(f, v, 0, most_ranks); }},
    {0, "nodes-per-machine", "COUNT", machine, "Nodes (containers) that share the cores of a machine [1]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.nodes_per_machine = integer(f, v, 1, most_ranks); }},
    {0, "op-cost", "RATE", machine, "Bandwidth at which a core computes the op, beside touching memory",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.model.combine = parse_rate(f, v); }},
    {0, "straggler", "RANK:FACTOR", machine, "A slow rank, or with RANK:+TIME a late one; may be repeated",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.stragglers.push_back(parse_straggler(f, v)); }},
    {0, "frame", "SIZE", machine, "Longest message [64K; 256K where all ranks are on nodes of their own]",
     [](SimConfig& c, Wishes&, Text f, Text v) {
       c.frame_bytes = std::clamp<std::size_t>(parse_size(f, v), 64, 1 << 30);
     }},
    {0, "slots", "COUNT", machine, "Such messages that a link holds [8; 4]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.slots = integer(f, v, 1, 4096); }},

    {'b', "minbytes", "SIZE", call, "Smallest size [8]",
     [](SimConfig&, Wishes& w, Text f, Text v) { w.min_bytes = parse_size(f, v); }},
    {'e', "maxbytes", "SIZE", call, "Largest size [64M]",
     [](SimConfig&, Wishes& w, Text f, Text v) { w.max_bytes = parse_size(f, v); }},
    {'f', "stepfactor", "FACTOR", call, "Factor between sizes [2]",
     [](SimConfig&, Wishes& w, Text f, Text v) {
       w.factor = static_cast<std::size_t>(parse_integer(f, v, 2, 1 << 20));
     }},
    {0, "sizes", "LIST", call, "These sizes, such as 8,1K,64M, instead of -b -e -f",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.sizes = parse_sizes(f, v); }},
    {0, "algo", "LIST", call, "Algorithms to compare, or all [all]",
     [](SimConfig&, Wishes& w, Text, Text v) { w.algorithms = v; }},
    {'r', "root", "RANK", call, "Root [0]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.root = integer(f, v, 0, most_ranks); }},
    {0, "most-steps", "COUNT", call, "Steps of all ranks to run; the rest is extrapolated; 0: run all [1000000]",
     [](SimConfig& c, Wishes&, Text f, Text v) {
       c.most_steps = static_cast<std::uint64_t>(parse_integer(f, v, 0, 1ll << 40));
     }},

    {0, "json", "FILE", output, "Write JSON; -: to stdout, instead of the table",
     [](SimConfig& c, Wishes&, Text, Text v) { c.json_path = v; }},
    {0, "svg", "FILE", output, "Draw time and busbw over the size",
     [](SimConfig& c, Wishes&, Text, Text v) { c.svg_path = v; }},
    {0, "trace", "FILE", output,
     "Write the steps of one call, of the first algorithm, for chrome://tracing or Perfetto",
     [](SimConfig& c, Wishes&, Text, Text v) { c.trace_path = v; }},
    {0, "trace-size", "SIZE", output, "Which call that is [the largest]",
     [](SimConfig& c, Wishes&, Text f, Text v) { c.trace_bytes = parse_size(f, v); }},
    {0, "force", "", output, "Overwrite files that exist", [](SimConfig& c, Wishes&, Text, Text) { c.force = true; }},

    {0, "calibrate", "FILES", calibration,
     "Fit the model to what ringcoll_perf --csv measured on such nodes, starting from --model",
     [](SimConfig& c, Wishes&, Text, Text v) { c.measurements = split_list(v); }},
    {0, "tuning", "FILE", calibration, "Where the tuning file goes [stdout]",
     [](SimConfig& c, Wishes&, Text, Text v) { c.tuning_path = v; }},
};

std::string display_name(const SimFlag& flag) {
  return flag.letter != 0 ? std::string("-") + flag.letter : std::string("--") + flag.name;
}

bool can_predict(const CollectiveInfo& entry) {
  return std::any_of(std::begin(ringcoll::families), std::end(ringcoll::families),
                     [&](const ringcoll::FamilyOf& family) { return name(family.collective) == entry.name; });
}

std::string collective_list() {
  std::string list;
  for (const CollectiveInfo& entry : collectives())
    if (can_predict(entry)) list += (list.empty() ? "" : ", ") + std::string(entry.name);
  return list;
}

std::vector<const ringcoll::FamilyOf*> find_algorithms(const SimConfig& config, const std::string& wish) {
  std::vector<const ringcoll::FamilyOf*> all, chosen;
  const ringcoll::Question question = question_of(config, 0);
  ringcoll::detail::for_candidates(question, [&](const ringcoll::FamilyOf& family) { all.push_back(&family); });
  if (wish == "all") return all;
  for (const std::string& wanted : split_list(wish)) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto* f) { return f->name == wanted; });
    if (found == all.end())
      throw usage_error("--algo '" + wanted + "': expected some of " + ringcoll::detail::candidate_names(question) +
                        ", or all, for " + name(question.collective) + " of " + std::to_string(config.size()) +
                        " ranks");
    chosen.push_back(*found);
  }
  return chosen;
}

void check(SimConfig& config, const Wishes& wishes) {
  if (static_cast<long long>(config.nodes) * config.ranks_per_node > most_ranks)
    throw usage_error("--nodes " + std::to_string(config.nodes) + " --ranks-per-node " +
                      std::to_string(config.ranks_per_node) + ": expected at most " + std::to_string(most_ranks) +
                      " ranks");
  if (config.size() < 2) throw usage_error("1 rank: expected 2 or more, since one sends nothing");
  if (config.root >= config.size())
    throw usage_error("-r " + std::to_string(config.root) + ": expected a rank below " + std::to_string(config.size()));
  for (const ringcoll::sim::Straggler& straggler : config.stragglers)
    if (straggler.rank >= config.size())
      throw usage_error("--straggler " + std::to_string(straggler.rank) + ": expected a rank below " +
                        std::to_string(config.size()));
  if (config.sizes.empty()) {
    if (wishes.min_bytes > wishes.max_bytes)
      throw usage_error("-b " + std::to_string(wishes.min_bytes) + " is more than -e " +
                        std::to_string(wishes.max_bytes) + ": expected the smaller size first");
    for (std::size_t bytes = wishes.min_bytes; bytes <= wishes.max_bytes; bytes *= wishes.factor) {
      config.sizes.push_back(bytes);
      if (bytes == 0) break;
    }
  }
  for (const std::size_t bytes : config.sizes)
    if (bytes >> 47 != 0) throw usage_error("size " + std::to_string(bytes) + ": expected less than 128T");
  if (config.trace_bytes == 0 && !config.sizes.empty())
    config.trace_bytes = *std::max_element(config.sizes.begin(), config.sizes.end());
}

}  // namespace

std::optional<SimConfig> parse_sim_command_line(int argc, char** argv) {
  SimConfig config;
  Wishes wishes;
  for (int i = 0; i < argc; ++i) config.command += (i == 0 ? "ringcoll_sim" : std::string(" ") + argv[i]);

  CLI::App app("Predicts how long ringcoll's collectives take on a machine that is not here.");
  app.allow_extras();
  app.name("ringcoll_sim");
  app.get_formatter()->column_width(36);
  app.get_formatter()->label("TEXT", "");
  app.set_help_flag("-h,--help", "Print this and exit")->group("Other");
  app.set_version_flag("--version", "ringcoll_sim version " + version_string(), "Print the version and exit")
      ->group("Other");
  std::string collective;
  app.add_option("collective", collective, collective_list())->type_name("NAME");
  std::deque<std::vector<std::string>> values;  // CLI11 keeps references
  std::vector<std::pair<CLI::Option*, const SimFlag*>> options;
  for (const SimFlag& flag : table) {
    const std::string names =
        flag.letter ? std::string("-") + flag.letter + ",--" + flag.name : std::string("--") + flag.name;
    CLI::Option* option = *flag.value == 0 ? app.add_flag(names, flag.help)
                                           : app.add_option(names, values.emplace_back(), flag.help)->expected(1);
    option->group(flag.group)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (*flag.value != 0) option->type_name(flag.value);
    options.emplace_back(option, &flag);
  }
  try {
    app.parse(argc, argv);
    for (const std::string& extra : app.remaining())
      throw usage_error((extra.starts_with('-') ? "unknown flag '" : "unexpected '") + extra +
                        "': see ringcoll_sim --help");
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    for (const Preset& preset : presets())
      std::printf("  --model %-14s %s\n", std::string(preset.name).c_str(), std::string(preset.about).c_str());
    return std::nullopt;
  } catch (const CLI::CallForVersion& request) {
    std::printf("%s\n", request.what());
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw usage_error(std::string(error.what()) + ": see ringcoll_sim --help");
  }

  read_model(config, wishes, "--model", config.model_name);
  for (const auto& [option, flag] : options)
    for (const std::string& value : option->count() > 0 ? option->results() : std::vector<std::string>{})
      flag->set(config, wishes, display_name(*flag), value);
  check(config, wishes);
  std::vector<std::uint64_t> node_of;
  for (int rank = 0; rank < config.size(); ++rank)
    node_of.push_back(static_cast<std::uint64_t>(rank / config.ranks_per_node));
  config.placement = ringcoll::Placement(node_of);
  if (!config.measurements.empty()) return config;
  const auto found = parse_collective(collective);
  if (!found || !can_predict(info(*found)))
    throw usage_error("collective '" + collective + "': expected one of " + collective_list() + ", or --calibrate");
  config.collective = *found;
  config.algorithms = find_algorithms(config, wishes.algorithms);
  return config;
}

}  // namespace perf
