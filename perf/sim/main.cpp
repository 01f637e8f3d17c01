// SPDX-License-Identifier: Apache-2.0
// ringcoll_sim: predicts how long collectives take on machines that are not here. docs/simulation.md says how to use
// it.
#include <csignal>
#include <cstdio>
#include <new>
#include <optional>
#include <string>

#include <ringcoll/error.hpp>

#include "../exit_code.hpp"
#include "../output.hpp"
#include "config.hpp"
#include "fit.hpp"
#include "forecast.hpp"

namespace perf {
namespace {

void write(const std::string& path, bool force, const std::string& text) {
  Output out(path.empty() ? "-" : path, force);
  out.write(text);
  out.finish();
}

void run(const SimConfig& config) {
  if (!config.measurements.empty()) return write(config.tuning_path, config.force, calibrate(config));
  const std::vector<Forecast> rows = forecasts(config);
  if (!config.svg_path.empty()) write(config.svg_path, config.force, forecast_svg(config, rows));
  if (!config.trace_path.empty()) write(config.trace_path, config.force, trace_json(config));
  if (!config.json_path.empty()) write(config.json_path, config.force, forecast_json(config, rows));
  if (config.json_path != "-") write("-", false, forecast_table(config, rows));
}

ExitCode complain(ExitCode code, const char* what) {
  std::fprintf(stderr, "ringcoll_sim: %s\n", what);
  return code;
}

}  // namespace
}  // namespace perf

int main(int argc, char** argv) {
  using perf::ExitCode;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write
  ExitCode code = ExitCode::ok;
  try {
    if (const std::optional<perf::SimConfig> config = perf::parse_sim_command_line(argc, argv)) perf::run(*config);
  } catch (const perf::Failure& failure) {
    code = perf::complain(failure.code(), failure.what());
  } catch (const ringcoll::Error& error) {
    code = perf::complain(ExitCode::ringcoll, error.what());
  } catch (const std::bad_alloc&) {
    code = perf::complain(ExitCode::internal, "out of memory; fewer --most-steps need less");
  } catch (const std::exception& error) {
    code = perf::complain(ExitCode::internal, error.what());
  }
  return static_cast<int>(code);
}
