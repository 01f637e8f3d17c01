// SPDX-License-Identifier: Apache-2.0
#include "explain.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/sim/selector.hpp>

#include "call.hpp"
#include "memory.hpp"
#include "placement.hpp"
#include "watch.hpp"

namespace perf {
namespace {

using Clock = std::chrono::steady_clock;

ringcoll::Collective library_collective(Collective collective) {
  switch (collective) {
    case Collective::allreduce: return ringcoll::Collective::allreduce;
    case Collective::reduce_scatter: return ringcoll::Collective::reduce_scatter;
    case Collective::allgather: return ringcoll::Collective::allgather;
    case Collective::broadcast: return ringcoll::Collective::broadcast;
    case Collective::reduce: return ringcoll::Collective::reduce;
    case Collective::gather: return ringcoll::Collective::gather;
    case Collective::scatter: return ringcoll::Collective::scatter;
    case Collective::alltoall: return ringcoll::Collective::alltoall;
    case Collective::barrier: return ringcoll::Collective::barrier;
    default:
      throw usage_error("--explain " + std::string(info(collective).name) +
                        ": has one schedule only; expected allreduce, reduce_scatter, allgather, broadcast, reduce, "
                        "gather, scatter, alltoall or barrier");
  }
}

/// One schedule on trial.
struct Trial {
  std::string_view name;  // a literal's
  double predicted = 0;   // us; 0: not known
  std::vector<double> samples = {};

  double median() {
    std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2), samples.end());
    return samples[samples.size() / 2];
  }
};

class Explainer {
 public:
  Explainer(const Config& config, World& world)
      : config_(&config),
        world_(&world),
        group_(&world.group()),
        collective_(library_collective(config.collective)),
        buffers_(std::max<std::size_t>(largest_size(config), 64), 0),
        operation_(find_operation(config.types.front(),
                                  info(config.collective).reduces ? config.ops.front() : ringcoll::OpId::absent)) {}

  void header() const {
    if (world_->rank() != 0) return;
    const int nodes = group_->placement().nodes();
    std::printf(
        "# %s among %d ranks on %d node%s: schedules that fit; microseconds, measured: median of the slowest rank\n"
        "#%11s  %-20s %12s %12s\n",
        std::string(info(config_->collective).name).c_str(), group_->size(), nodes, nodes == 1 ? "" : "s", "size",
        "schedule", "predicted", "measured");
  }

  void size(std::size_t bytes) {
    const ringcoll::Question question = question_of(bytes);
    std::vector<Trial> trials = trials_of(question);
    const std::string_view chosen = group_->member().choose(question, nullptr).schedule.name();
    // Turn by turn, since machines drift.
    for (int turn = 0; turn < 3; ++turn)
      for (Trial& trial : trials) run(trial, bytes);
    if (world_->rank() != 0) return;
    std::string size = std::to_string(question.bytes);
    for (Trial& trial : trials) {
      const std::string predicted = trial.predicted > 0 ? two_decimals(trial.predicted) : "-";
      std::printf("%12s  %-20s %12s %12.2f%s\n", size.c_str(), trial.name.data(), predicted.c_str(), trial.median(),
                  trial.name == chosen ? "  <- chosen" : "");
      size.clear();
    }
    std::fflush(stdout);
  }

 private:
  static std::string two_decimals(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
  }

  Problem problem() const {
    return {config_->collective, config_->types.front(), config_->ops.front(), config_->root, group_->size(), 0};
  }

  ringcoll::Question question_of(std::size_t bytes) const {
    const std::size_t element_bytes = size_of(config_->types.front());
    const Shape shape = shape_of(config_->collective, bytes, element_bytes, group_->size());
    ringcoll::AnyTransport& transport = group_->member().transport();
    return {.collective = collective_,
            .size = group_->size(),
            .root = info(config_->collective).has_root ? config_->root : 0,
            .bytes = std::max(shape.send, shape.receive) * element_bytes,
            .element_bytes = element_bytes,
            .reproducible = config_->reproducible,
            .placement = &group_->placement(),
            .frame_bytes = transport.frame_bytes(),
            .slots = transport.slots()};
  }

  /// Fastest first, as predicted.
  std::vector<Trial> trials_of(const ringcoll::Question& question) const {
    std::vector<Trial> trials;
    ringcoll::detail::for_candidates(question, [&](const ringcoll::FamilyOf& f) { trials.push_back({f.name}); });
    const auto* const selector =
        dynamic_cast<const ringcoll::sim::PredictingSelector*>(group_->member().setup().selector.get());
    if (selector == nullptr) return trials;
    std::vector<Trial> predicted;
    for (const ringcoll::sim::Candidate& c :
         ringcoll::sim::candidates(question, group_->placement(), selector->model())) {
      const std::string_view name = c.choice.schedule.name();
      const bool known =
          std::any_of(predicted.begin(), predicted.end(), [&](const Trial& t) { return t.name == name; });
      if (!known) predicted.push_back({name, c.time / 1000});
    }
    return predicted;
  }

  /// As many calls as fit 20 ms, five at least.
  void run(Trial& trial, std::size_t bytes) {
    const ringcoll::Options options{.schedule = trial.name.data(), .reproducible = config_->reproducible};
    const Placement placement(buffers_, problem(), bytes, group_->rank(), false, 0, options);
    set_stage(std::string(info(config_->collective).name) + " by " + std::string(trial.name) + ", " +
              std::to_string(bytes) + " bytes");
    Call call = placement.call(0);
    operation_.run(*group_, call);
    const double first = timed(call);
    const auto wanted = static_cast<long>(20e3 / std::max(first, 0.5));
    std::vector<double> samples(static_cast<std::size_t>(world_->from_rank0(std::clamp(wanted, 5L, 500L))));
    for (double& sample : samples) {
      sample = timed(call);
      placement.advance(call);
    }
    world_->max_at_rank0(samples);
    trial.samples.insert(trial.samples.end(), samples.begin(), samples.end());
  }

  double timed(const Call& call) {
    world_->barrier();
    const auto start = Clock::now();
    operation_.run(*group_, call);
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }

  const Config* config_;
  World* world_;
  ringcoll::Communicator* group_;
  ringcoll::Collective collective_;
  Buffers buffers_;
  Operation operation_;
};

}  // namespace

ExitCode explain(const Config& config, World& world) {
  Explainer explainer(config, world);
  explainer.header();
  for (const std::size_t bytes :
       config.collective == Collective::barrier ? std::vector<std::size_t>{0} : sizes_of(config))
    explainer.size(bytes);
  return ExitCode::ok;
}

}  // namespace perf
