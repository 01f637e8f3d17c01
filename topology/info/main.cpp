// SPDX-License-Identifier: Apache-2.0
// ringcoll_info: what ringcoll has here, and what to change. docs/info.md says how to use it.
#include <csignal>
#include <cstdio>
#include <new>
#include <optional>
#include <string>

#include <ringcoll/environment.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/topology/layout.hpp>
#include <ringcoll/topology/text.hpp>

#include "exit_code.hpp"
#include "options.hpp"
#include "output.hpp"
#include "picture.hpp"
#include "reach.hpp"
#include "report.hpp"
#include "variables.hpp"

namespace info {
namespace {

using perf::ExitCode;

void write(const std::string& path, bool force, const std::string& text) {
  perf::Output out(path, force);
  out.write(text);
  out.finish();
}

ExitCode check(const Options& options) {
  const Reach reach = try_to_reach(options.check, options.timeout);
  write("-", false, options.json ? reach_json(options.check, reach) : reach_text(options.check, reach));
  return reach.reached ? ExitCode::ok : ExitCode::ringcoll;
}

ExitCode run(const Options& options) {
  if (options.environment) {
    write("-", false, options.json ? variables_json() : variables_text());
    return ExitCode::ok;
  }
  if (!options.check.empty()) return check(options);
  const Machine machine = load_machine(options);
  const ringcoll::topology::Layout layout =
      ringcoll::topology::lay_out(machine.graph, options.ranks_per_node, options.rings);
  for (const std::string& path : options.pictures) {
    if (path.ends_with(".svg")) write(path, options.force, draw(machine.graph, layout));
    else if (path.ends_with(".json")) write(path, options.force, machine_json(machine.graph, layout));
    else write(path, options.force, ringcoll::topology::write_text(machine.graph));
  }
  if (options.choices) {
    write("-", false, describe(machine.graph, layout));
    return ExitCode::ok;
  }
  if (!options.pictures.empty()) return ExitCode::ok;
  const Facts facts = gather_facts();
  const std::vector<Finding> findings = find_problems(facts, machine.graph, ringcoll::unknown_variables());
  const Report report{facts, machine, layout, findings};
  write("-", false, options.json ? report_json(report) : report_text(report));
  return ExitCode::ok;
}

ExitCode complain(ExitCode code, const char* what) {
  std::fprintf(stderr, "ringcoll_info: %s\n", what);
  return code;
}

}  // namespace
}  // namespace info

int main(int argc, char** argv) {
  using perf::ExitCode;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write
  const auto guarded = [&] {
    try {
      const std::optional<info::Options> options = info::parse_command_line(argc, argv);
      return options ? info::run(*options) : ExitCode::ok;
    } catch (const perf::Failure& failure) {
      return info::complain(failure.code(), failure.what());
    } catch (const ringcoll::Error& error) {
      return info::complain(ExitCode::ringcoll, error.what());
    } catch (const std::bad_alloc&) {
      return info::complain(ExitCode::internal, "out of memory");
    } catch (const std::exception& error) {
      return info::complain(ExitCode::internal, error.what());
    }
  };
  return static_cast<int>(guarded());
}
