// SPDX-License-Identifier: Apache-2.0
#include "forecast.hpp"

#include <nlohmann/json.hpp>

#include <ringcoll/error.hpp>

#include "../columns.hpp"
#include "../exit_code.hpp"
#include "../version.hpp"

namespace perf {
namespace {

Forecast::Side side_of(const SimConfig& config, const ringcoll::FamilyOf& algorithm, std::size_t bytes, bool in_place) {
  const ringcoll::Choice choice = ringcoll::detail::choice(algorithm, question_of(config, bytes));
  const auto scenario = scenario_of(config, choice, bytes, in_place);
  const Shape shape = shape_of(config.collective, bytes, scenario.element_bytes, config.size());
  Forecast::Side side;
  try {
    side.time = 1e-9 * ringcoll::sim::time_per_call(scenario, config.placement, config.model);
  } catch (const ringcoll::Error& error) {
    throw usage_error(std::string(algorithm.name) + " of " + std::to_string(bytes) +
                      " bytes: " + std::string(error.what()).substr(sizeof("ringcoll: ") - 1));
  }
  const double amount = algorithm_bytes(config.collective, shape.count, scenario.element_bytes, config.size());
  side.algbw = side.time > 0 ? amount / side.time * 1e-9 : 0;
  side.busbw = side.algbw * bus_factor(config.collective, config.size());
  return side;
}

nlohmann::ordered_json side_json(const Forecast::Side& side) {
  return {{"time_us", side.time * 1e6}, {"algbw_GBs", side.algbw}, {"busbw_GBs", side.busbw}};
}

}  // namespace

std::vector<Forecast> forecasts(const SimConfig& config) {
  std::vector<Forecast> rows;
  for (const std::size_t bytes : config.sizes) {
    for (const ringcoll::FamilyOf* algorithm : config.algorithms) {
      const Shape shape = shape_of(config.collective, bytes, 4, config.size());
      rows.push_back({.algorithm = algorithm,
                      .bytes = bytes,
                      .count = shape.count,
                      .out_of_place = side_of(config, *algorithm, bytes, false),
                      .in_place = side_of(config, *algorithm, bytes, true)});
    }
  }
  return rows;
}

std::string forecast_table(const SimConfig& config, const std::vector<Forecast>& rows) {
  const CollectiveInfo& what = info(config.collective);
  std::string text = "# ringcoll_sim version " + version_string() + " nodes=" + std::to_string(config.nodes) +
                     " ranks=" + std::to_string(config.size()) + " model=" + config.model_name + "\n";
  text += "# Predicted: " + std::string(what.program_name) + "\n#\n";
  text += "# " + std::string(61, ' ') + "out-of-place" + std::string(23, ' ') + "in-place\n";
  text +=
      "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   "
      "busbw  #wrong  algorithm\n";
  text +=
      "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  "
      "(GB/s)                   \n";
  for (const Forecast& row : rows) {
    text += print("%12zu  %12zu  %8s  %6s  %6d", row.bytes, row.count, "float", what.reduces ? "sum" : "none",
                  what.has_root ? config.root : -1);
    for (const Forecast::Side* side : {&row.out_of_place, &row.in_place})
      text += "  " + number(side->time * 1e6, 7) + "  " + number(side->algbw, 6) + "  " + number(side->busbw, 6) +
              "     N/A";
    text += std::string("  ") + row.algorithm->name + "\n";
  }
  return text;
}

std::string forecast_json(const SimConfig& config, const std::vector<Forecast>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Forecast& row : rows)
    list.push_back({{"algorithm", row.algorithm->name},
                    {"bytes", row.bytes},
                    {"count", row.count},
                    {"out_of_place", side_json(row.out_of_place)},
                    {"in_place", side_json(row.in_place)}});
  const nlohmann::ordered_json all = {{"program", "ringcoll_sim"},  {"version", version_string()},
                                      {"command", config.command},  {"collective", info(config.collective).name},
                                      {"nodes", config.nodes},      {"ranks_per_node", config.ranks_per_node},
                                      {"model", config.model_name}, {"predictions", list}};
  return all.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace perf
