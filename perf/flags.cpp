// SPDX-License-Identifier: Apache-2.0
#include "flags.hpp"

#include <CLI/CLI.hpp>

#include <cctype>
#include <cstdio>
#include <deque>
#include <filesystem>

#include "exit_code.hpp"
#include "flag_table.hpp"
#include "peers.hpp"
#include "version.hpp"

namespace perf {
namespace {

/// "-5" after a flag is its value, which CLI11 would take for another flag: "-n -5" becomes "-n=-5".
std::vector<std::string> joined_negative_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> joined;
  for (const std::string& argument : arguments) {
    const bool number = argument.size() > 1 && argument[0] == '-' && (std::isdigit(argument[1]) || argument[1] == '.');
    const bool after_flag = !joined.empty() && joined.back().size() > 1 && joined.back()[0] == '-' &&
                            joined.back().find('=') == std::string::npos;
    if (number && after_flag) joined.back() += (joined.back().starts_with("--") ? "=" : "") + argument;
    else joined.push_back(argument);
  }
  return joined;
}

std::string collective_list() {
  std::string list;
  for (const CollectiveInfo& entry : collectives())
    list += std::string(list.empty() ? "" : ", ") + std::string(entry.name);
  return list;
}

void choose_collective(Config& config, const std::string& name) {
  if (const auto found = parse_collective(name)) {
    config.collective = *found;
  } else if (name == "all") {
    config.every_collective = true;
  } else {
    throw usage_error("collective '" + name + "': expected one of " + collective_list());
  }
}

/// The rules that join several flags.
void check(Config& config, bool only_min_given) {
  if (config.min_bytes > config.max_bytes && config.sizes.empty()) {
    throw usage_error("-b " + std::to_string(config.min_bytes) + " is more than -e " +
                      std::to_string(config.max_bytes) +
                      (only_min_given ? ", its default: expected -e as well" : ": expected the smaller size first"));
  }
  if (config.step_factor <= 1 && config.step_bytes == 0 && config.min_bytes != config.max_bytes)
    throw usage_error("-i 0: expected a step of 1 byte or more, or -f 2");
  if (config.per_iteration_skip >= config.iters && config.per_iteration)
    throw usage_error("-K " + std::to_string(config.per_iteration_skip) + " skips all of the -n " +
                      std::to_string(config.iters) + " iterations: expected less");
  if (config.every_collective && config.peers_path.empty())
    throw usage_error("collective 'all': expected with --peers-csv only; name one of " + collective_list());
  if (config.ranks == 0 && config.threads * config.devices > 1) config.ranks = config.threads * config.devices;
  if (config.ranks > max_ranks)
    throw usage_error("-t " + std::to_string(config.threads) + " -g " + std::to_string(config.devices) +
                      ": expected at most " + std::to_string(max_ranks) + " ranks on one machine");
  if (!config.every_root && config.ranks > 0 && config.root >= config.ranks)
    throw usage_error("-r " + std::to_string(config.root) + ": expected a rank below " + std::to_string(config.ranks) +
                      ", or all");
  if (!config.peers_path.empty() && config.ranks == 0)
    throw usage_error(
        "--peers-csv: expected --ranks N as well, since it times with memory that the forked ranks share");
  if (!config.peers_path.empty() && config.ranks > max_peers_ranks)
    throw usage_error("--ranks " + std::to_string(config.ranks) + ": expected at most " +
                      std::to_string(max_peers_ranks) + " with --peers-csv");
}

}  // namespace

std::optional<Config> parse_command_line(int argc, char** argv) {
  Config config;
  config.arguments.assign(argv, argv + argc);
  const std::string program = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "ringcoll_perf";
  const bool named_by_program = parse_collective(program).has_value();

  CLI::App app("Measures a collective of ringcoll and checks its results. Output and flags are those of nccl-tests.");
  app.allow_extras();
  app.name(named_by_program ? program : "ringcoll_perf");
  app.get_formatter()->column_width(36);
  app.get_formatter()->label("TEXT", "");
  app.set_help_flag("-h,--help", "Print this and exit")->group("Other");
  app.set_version_flag("--version", "ringcoll_perf version " + version_string(), "Print the version and exit")
      ->group("Other");
  std::string collective;
  if (named_by_program) choose_collective(config, program);
  else app.add_option("collective", collective, collective_list())->type_name("NAME");

  std::deque<std::string> values;  // CLI11 keeps references
  std::vector<std::pair<CLI::Option*, const Flag*>> options;
  for (const Flag& flag : flag_table()) {
    const std::string names =
        flag.letter ? std::string("-") + flag.letter + ",--" + flag.name : std::string("--") + flag.name;
    CLI::Option* option =
        flag.value.empty() ? app.add_flag(names, flag.help) : app.add_option(names, values.emplace_back(), flag.help);
    option->group(flag.group)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (!flag.value.empty()) option->type_name(flag.value);
    options.emplace_back(option, &flag);
  }

  try {
    std::vector<std::string> rest =
        joined_negative_values({config.arguments.begin() + (argc > 0 ? 1 : 0), config.arguments.end()});
    std::reverse(rest.begin(), rest.end());  // as CLI11 takes them
    app.parse(std::move(rest));
    for (const std::string& extra : app.remaining())
      throw usage_error((extra.starts_with('-') ? "unknown flag '" : "unexpected '") + extra +
                        "': see ringcoll_perf --help");
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return std::nullopt;
  } catch (const CLI::CallForVersion& request) {
    std::printf("%s\n", request.what());
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw usage_error(std::string(error.what()) + ": see ringcoll_perf --help");
  }

  bool min_given = false, max_given = false, bytes_given = false, factor_given = false;
  for (const auto& [option, flag] : options) {
    if (option->count() == 0) continue;
    min_given = min_given || flag->letter == 'b';
    max_given = max_given || flag->letter == 'e';
    bytes_given = bytes_given || flag->letter == 'i';
    factor_given = factor_given || flag->letter == 'f';
    const std::string value = option->results().back();
    if (flag->value.empty() && value != "true")
      throw usage_error(display_name(*flag) + " '" + value + "': expected no value");
    flag->set(config, display_name(*flag), value);
  }
  if (bytes_given && factor_given) config.warnings.push_back("-i and -f: the factor is used, as in nccl-tests");
  if (!named_by_program) {
    if (collective.empty()) throw usage_error("expected a collective first, one of " + collective_list());
    choose_collective(config, collective);
  }
  check(config, min_given && !max_given);
  return config;
}

}  // namespace perf
