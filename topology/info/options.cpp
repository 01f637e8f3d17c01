// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

#include "exit_code.hpp"
#include "version.hpp"

namespace info {
namespace {

void check(const Options& options) {
  if (!options.load.empty() && !options.sysfs.empty())
    throw perf::usage_error("--load and --sysfs: expected one of them, each is a whole machine");
  if (!options.check.empty() && (options.environment || !options.pictures.empty() || options.choices))
    throw perf::usage_error("--check: expected alone or with --json and --timeout");
  for (const std::string& path : options.pictures)
    if (!path.ends_with(".svg") && !path.ends_with(".txt") && !path.ends_with(".topo") && !path.ends_with(".json"))
      throw perf::usage_error("--topo '" + path + "': expected a name that ends in .svg, .txt, .topo or .json");
}

}  // namespace

std::optional<Options> parse_command_line(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Says what ringcoll has here: what is built, found and usable, and what to change, with the command to type.");
  app.name("ringcoll_info");
  app.get_formatter()->column_width(32);
  app.set_help_flag("-h,--help", "Print this and exit");
  app.set_version_flag("--version", "ringcoll_info version " + perf::version_string(), "Print the version and exit");
  app.add_flag("--env", options.environment, "Every RINGCOLL_ variable: type, default, value, meaning");
  app.add_flag("--json", options.json, "The report, or --env, or --check, as JSON");
  app.add_option("--topo", options.pictures,
                 "Write the machine to FILE: .svg draws it with its rings and trees, .txt and .topo describe it for "
                 "--load, .json has all that is chosen; may be given several times")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("--choices", options.choices, "Seats, NICs, leaders, rings and trees for the machine, as text");
  app.add_option("--load", options.load, "Use the machine in FILE (text, or hwloc's XML) instead of this one")
      ->type_name("FILE");
  app.add_option("--sysfs", options.sysfs, "Read DIR/sys instead of /sys")->type_name("DIR");
  app.add_option("--source", options.source, "What describes this machine: auto, hwloc or sysfs")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "hwloc", "sysfs"}));
  app.add_option("--ranks-per-node", options.ranks_per_node, "Ranks of each node (default: one a GPU, else one a core)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("--rings", options.rings, "How many rings (default: as many as the machine has use for)")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
  app.add_option("--check", options.check, "Try to reach HOST:PORT and say what happened, and what to do")
      ->type_name("HOST:PORT");
  app.add_option("--timeout", options.timeout, "Seconds for each address of --check (default: 5)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.01, 600.0));
  app.add_flag("--force", options.force, "Overwrite the files of --topo");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return std::nullopt;
  } catch (const CLI::CallForVersion& version) {
    std::printf("%s\n", version.what());
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw perf::usage_error(std::string(error.what()) + "; see ringcoll_info --help");
  }
  check(options);
  return options;
}

}  // namespace info
