// SPDX-License-Identifier: Apache-2.0
// results.schema.json describes this format. A change that breaks readers raises schema_version.
#include <nlohmann/json.hpp>

#include "output.hpp"
#include "report.hpp"
#include "version.hpp"

namespace perf {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const auto& optional) { return optional ? Json(*optional) : Json(nullptr); }
Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json environment_json(const std::vector<Variable>& variables) {
  Json object = Json::object();
  for (const Variable& variable : variables) object[variable.name] = variable.value;
  return object;
}

Json config_json(const Config& c) {
  Json types = Json::array(), ops = Json::array();
  for (const ringcoll::DataType type : c.types) types.push_back(name(type));
  for (const ringcoll::OpId op : c.ops) ops.push_back(name(op));
  constexpr const char* averages[] = {"rank 0", "mean", "fastest", "slowest"};
  return {{"minimum_bytes", c.min_bytes},
          {"maximum_bytes", c.max_bytes},
          {"step_factor", c.step_factor > 1 ? Json(c.step_factor) : Json(nullptr)},
          {"step_bytes", c.step_factor > 1 ? Json(nullptr) : Json(c.step_bytes)},
          {"sizes_bytes", c.sizes.empty() ? Json(nullptr) : Json(c.sizes)},
          {"iterations", c.iters},
          {"warmup_iterations", c.warmup_iters},
          {"aggregated_iterations", c.agg_iters},
          {"cycles", c.run_cycles},
          {"check_iterations", c.check_iters},
          {"duration_s", c.duration > 0 ? Json(c.duration) : Json(nullptr)},
          {"types", types},
          {"ops", ops},
          {"root", c.every_root ? Json("all") : Json(c.root)},
          {"average", averages[static_cast<int>(c.average)]},
          {"blocking", static_cast<int>(c.pace)},
          {"touch", c.touch},
          {"unalign_elements", c.unalign},
          {"transport", c.transport},
          {"pinned", c.pin}};
}

Json device_json(const Device& d) {
  return {{"rank", d.rank}, {"group", d.group},    {"pid", d.pid}, {"hostname", d.host}, {"local_rank", d.local_rank},
          {"cpu", d.cpu},   {"cpu_model", d.model}};
}

Json samples_json(const Statistics& s, const std::vector<double>& percentiles) {
  if (s.count == 0) return nullptr;
  Json json = {{"count", s.count},
               {"min_us", s.min * 1e6},
               {"p50_us", s.percentile(50) * 1e6},
               {"p95_us", s.percentile(95) * 1e6},
               {"p99_us", s.percentile(99) * 1e6},
               {"max_us", s.max * 1e6},
               {"mean_us", s.mean * 1e6},
               {"stdev_us", s.stdev * 1e6},
               {"percentiles", Json::array()}};
  for (const double percent : percentiles)
    json["percentiles"].push_back({{"percent", percent}, {"time_us", s.percentile(percent) * 1e6}});
  return json;
}

Json side_json(const Side& side, const std::vector<double>& percentiles) {
  return {{"time_us", side.time * 1e6},
          {"cpu_time_us", side.cpu_time * 1e6},
          {"algbw_gb_per_s", side.algbw},
          {"busbw_gb_per_s", side.busbw},
          {"wrong_elements", or_null(side.wrong)},
          {"iterations", side.iterations},
          {"slowest_rank", or_null(side.slowest_rank)},
          {"samples", samples_json(side.samples, percentiles)}};
}

class JsonReport : public Report {
 public:
  JsonReport(const std::string& path, bool overwrite) : out_(path, overwrite) {}

  void begin(const Run& run) override {
    percentiles_ = run.config.percentiles;
    json_ = {{"schema", "ringcoll_perf"},
             {"schema_version", 1},
             {"tool_version", version_string()},
             {"started", run.started},
             {"ended", nullptr},
             {"arguments", run.config.arguments},
             {"environment", environment_json(run.config.environment)},
             {"launcher", run.launcher},
             {"machine",
              {{"cpu_model", or_null(cpu_model())},
               {"cpus", cpu_count()},
               {"cpu_governor", or_null(cpu_governor())},
               {"kernel", or_null(kernel_version())},
               {"compiler", or_null(compiler_version())}}},
             {"collective", info(run.config.collective).name},
             {"ranks", run.group_size},
             {"config", config_json(run.config)},
             {"devices", Json::array()},
             {"results", Json::array()}};
    for (const Device& device : run.devices) json_["devices"].push_back(device_json(device));
  }

  void row(const Row& row) override {
    json_["results"].push_back({{"size_bytes", row.bytes},
                                {"count", row.count},
                                {"type", name(row.type)},
                                {"redop", row.op == ringcoll::OpId::absent ? Json(nullptr) : Json(name(row.op))},
                                {"root", row.root < 0 ? Json(nullptr) : Json(row.root)},
                                {"cycle", row.cycle},
                                {"out_of_place", side_json(row.out_of_place, percentiles_)},
                                {"in_place", side_json(row.in_place, percentiles_)}});
  }

  void end(const Summary& summary) override {
    json_["failed_checks"] = summary.failed_checks;
    json_["average_busbw_gb_per_s"] = summary.average_busbw;
    json_["minimum_busbw_gb_per_s"] = or_null(summary.minimum_busbw);
    json_["memory_bytes"] = nullptr;
    if (summary.memory)
      json_["memory_bytes"] = {{"connecting", summary.memory->connecting},
                               {"buffers", summary.memory->buffers},
                               {"calls", summary.memory->calls}};
    json_["ok"] = summary.ok();
    json_["ended"] = utc_now();
    out_.write(json_.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    out_.finish();
  }

 private:
  Output out_;
  std::vector<double> percentiles_;
  Json json_;
};

}  // namespace

std::unique_ptr<Report> json_report(const std::string& path, bool overwrite) {
  return std::make_unique<JsonReport>(path, overwrite);
}

}  // namespace perf
