// SPDX-License-Identifier: Apache-2.0
// The trace event format that chrome://tracing and Perfetto read: a process a node, a thread a rank, a slice a step.
#include <nlohmann/json.hpp>

#include <algorithm>

#include "../exit_code.hpp"
#include "forecast.hpp"

namespace perf {
namespace {

using Json = nlohmann::ordered_json;
using ringcoll::sim::TracedStep;

std::string what_it_does(const TracedStep& step) {
  std::string text;
  if (step.from >= 0) text += "from " + std::to_string(step.from);
  if (step.to >= 0) text += std::string(text.empty() ? "" : ", ") + "to " + std::to_string(step.to);
  return text.empty() ? "own data" : text;
}

Json name_event(const char* what, int pid, int tid, const std::string& name) {
  return {{"name", what}, {"ph", "M"}, {"pid", pid}, {"tid", tid}, {"args", {{"name", name}}}};
}

}  // namespace

std::string trace_json(const SimConfig& config) {
  const ringcoll::Placement& placement = config.placement;
  const ringcoll::Choice choice =
      ringcoll::detail::choice(*config.algorithms.front(), question_of(config, config.trace_bytes));
  auto scenario = scenario_of(config, choice, config.trace_bytes, false);
  scenario.trace = true;
  const ringcoll::sim::Prediction p = predict(scenario, placement, config.model);
  if (!p) throw usage_error(std::string(config.algorithms.front()->name) + ": " + p.why);

  std::vector<bool> critical(p.trace.size(), false);
  for (const std::size_t at : p.critical_path()) critical[at] = true;

  Json events = Json::array();
  for (int node = 0; node < placement.nodes(); ++node)
    events.push_back(name_event("process_name", node, 0, "node " + std::to_string(node)));
  for (int rank = 0; rank < placement.size(); ++rank)
    events.push_back(name_event("thread_name", placement.node(rank), rank, "rank " + std::to_string(rank)));
  for (std::size_t i = 0; i < p.trace.size(); ++i) {
    const TracedStep& step = p.trace[i];
    const int node = placement.node(step.rank);
    events.push_back({{"name", what_it_does(step)},
                      {"cat", critical[i] ? "critical" : "step"},
                      {"ph", "X"},
                      {"ts", step.start * 1e-3},
                      {"dur", (step.end - step.start) * 1e-3},
                      {"pid", node},
                      {"tid", step.rank},
                      {"args",
                       {{"step", step.step},
                        {"round", step.round},
                        {"from", step.from},
                        {"received_bytes", step.received},
                        {"to", step.to},
                        {"sent_bytes", step.sent},
                        {"critical", static_cast<bool>(critical[i])}}}});
    if (step.needed < 0) continue;
    // An arrow from the step that was waited for.
    const TracedStep& needed = p.trace[static_cast<std::size_t>(step.needed)];
    const Json arrow = {{"name", "waited for"}, {"cat", "wait"}, {"id", i}};
    Json from = arrow, to = arrow;
    from.update({{"ph", "s"}, {"ts", needed.start * 1e-3}, {"pid", placement.node(needed.rank)}, {"tid", needed.rank}});
    to.update({{"ph", "f"}, {"bp", "e"}, {"ts", step.start * 1e-3}, {"pid", node}, {"tid", step.rank}});
    events.push_back(std::move(from));
    events.push_back(std::move(to));
  }
  const Json all = {{"displayTimeUnit", "ns"},
                    {"otherData",
                     {{"command", config.command},
                      {"algorithm", config.algorithms.front()->name},
                      {"bytes", config.trace_bytes},
                      {"finish_us", p.finish * 1e-3},
                      {"extrapolated", p.extrapolated}}},
                    {"traceEvents", std::move(events)}};
  return all.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace perf
