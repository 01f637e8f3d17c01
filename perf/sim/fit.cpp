// SPDX-License-Identifier: Apache-2.0
// The model is fitted through the simulator itself: numbers are changed one after the other, by a factor, as long as
// that brings predictions nearer to what was measured.
#include "fit.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ringcoll/select.hpp>
#include <ringcoll/sim/tuning_file.hpp>

#include "../columns.hpp"
#include "../exit_code.hpp"
#include "measurements.hpp"

namespace perf {
namespace {

using ringcoll::sim::Model;

struct Goal {
  ringcoll::sim::Scenario scenario;
  double time;
  bool alone;  ///< each call was measured by itself, not one after the other
};

std::vector<Goal> goals_of(SimConfig config) {
  std::vector<Goal> goals;
  config.root = 0;
  config.most_steps = 4000;
  for (const std::string& path : config.measurements) {
    for (const Measurement& row : read_measurements(path)) {
      if (row.ranks != config.size())
        throw usage_error("--calibrate " + path + ": measured with " + std::to_string(row.ranks) +
                          " ranks; expected --nodes times --ranks-per-node, " + std::to_string(config.size()));
      // ringcoll_perf copies at the root to make broadcast's two buffers: not ringcoll's time.
      if (row.collective == Collective::broadcast && !row.in_place) continue;
      config.collective = row.collective;
      // RINGCOLL_ALGO has the last word, as it had when this was measured.
      const ringcoll::Choice choice = ringcoll::choose(question_of(config, row.bytes));
      // Where data flows one way, ranks run ahead of each other until links are full, so these are measured call by
      // call.
      goals.push_back({scenario_of(config, choice, row.bytes, row.in_place), row.time, info(row.collective).has_root});
    }
  }
  return goals;
}

/// A number of the model that may be changed.
using Unknown = std::function<double&(Model&)>;

std::vector<Unknown> unknowns_of(const SimConfig& config, const Model& model) {
  std::vector<Unknown> unknowns;
  const auto add = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names)
      for (const auto& key : ringcoll::sim::tuning::real_keys)
        if (key.name == name) unknowns.emplace_back(key.in);
  };
  add({"call", "step"});
  for (std::size_t i = 0; i < model.memory.size(); ++i) {
    unknowns.emplace_back([i](Model& m) -> double& { return m.memory[i].own; });
    unknowns.emplace_back([i](Model& m) -> double& { return m.memory[i].slot; });
  }
  if (config.ranks_per_node > 1) add({"intra.latency", "intra.message"});
  if (config.nodes > 1) {
    add({"inter.latency", "inter.message", "inter.message_byte"});
    if (model.nic_byte > 0) add({"nic.byte"});
    else add({"inter.byte"});
  }
  if (model.cores > 0 && config.ranks_per_node * std::min(config.nodes, model.nodes_per_machine) > model.cores)
    add({"switch", "patience"});
  return unknowns;
}

class Fit {
 public:
  Fit(const SimConfig& config, std::vector<Goal> goals)
      : goals_(std::move(goals)), placement_(config.placement), model_(config.model) {
    spread_working_sets();
    unknowns_ = unknowns_of(config, model_);
    for (const Unknown& unknown : unknowns_) {
      double& value = unknown(model_);
      if (value <= 0) value = 0.01;  // factors do not change 0
      start_.push_back(value);
    }
  }

  Model run() {
    constexpr int most_sweeps = 80;
    std::vector<double> steps(unknowns_.size(), 1.6);
    double best = cost();
    for (int sweep = 0; sweep < most_sweeps && *std::max_element(steps.begin(), steps.end()) > 1.01; ++sweep)
      for (std::size_t i = 0; i < unknowns_.size(); ++i)
        steps[i] =
            improve(unknowns_[i](model_), steps[i], best) ? std::min(steps[i] * steps[i], 2.5) : std::sqrt(steps[i]);
    return model_;
  }

  double median_error() const {
    std::vector<double> errors;
    for (const Goal& goal : goals_) errors.push_back(std::abs(time_of(goal) / goal.time - 1));
    std::nth_element(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
    return errors[errors.size() / 2];
  }

 private:
  /// Memory costs at sizes three powers of two apart, over what was measured.
  void spread_working_sets() {
    double least = 1e300, most = 0;
    for (const Goal& goal : goals_) {
      const double bytes = ringcoll::detail::working_set(goal.scenario, 0, placement_.size());
      least = std::min(least, std::max(bytes, 4096.0));
      most = std::max(most, bytes);
    }
    std::vector<ringcoll::sim::MemoryCost> memory;
    for (double bytes = least; bytes < most * 4; bytes *= 8) {
      ringcoll::sim::MemoryCost cost = model_.memory_cost(bytes);
      cost.working_set = std::round(bytes);
      memory.push_back(cost);
    }
    model_.memory = std::move(memory);
  }

  bool improve(double& value, double step, double& best) const {
    const double before = value;
    for (const double factor : {step, 1 / step}) {
      value = before * factor;
      if (const double now = cost(); now < best) {
        best = now;
        return true;
      }
    }
    value = before;
    return false;
  }

  double time_of(const Goal& goal) const {
    return goal.alone ? predict(goal.scenario, placement_, model_).finish
                      : time_per_call(goal.scenario, placement_, model_);
  }

  /// Mean relative error; and a little for each number's distance from where it began, which decides what the
  /// measurements leave open.
  double cost() const {
    constexpr double small = 0.03, pull = 2e-3;
    double sum = 0;
    for (const Goal& goal : goals_) sum += std::hypot(std::log(time_of(goal) / goal.time), small);
    sum /= static_cast<double>(goals_.size());
    Model model = model_;
    for (std::size_t i = 0; i < unknowns_.size(); ++i) {
      const double moved = std::log(unknowns_[i](model) / start_[i]);
      sum += pull * moved * moved / static_cast<double>(unknowns_.size());
    }
    return sum;
  }

  std::vector<Goal> goals_;
  ringcoll::Placement placement_;
  Model model_;
  std::vector<Unknown> unknowns_;
  std::vector<double> start_;
};

}  // namespace

std::string calibrate(const SimConfig& config) {
  std::vector<Goal> goals = goals_of(config);
  const std::size_t count = goals.size();
  if (count < 4) throw usage_error("--calibrate: " + std::to_string(count) + " measurements; expected 4 or more");
  Fit fit(config, std::move(goals));
  const Model model = fit.run();
  return write_tuning(
      model, config.command + "\n" +
                 print("fitted to %zu measurements; the median error is %.1f %%", count, 100 * fit.median_error()));
}

}  // namespace perf
