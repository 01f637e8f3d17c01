// SPDX-License-Identifier: Apache-2.0
#include "bench.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include <unistd.h>

#include <ringcoll/error.hpp>

#include "watch.hpp"

namespace perf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::string stage_text(Collective collective, const Case& what, std::size_t bytes, bool in_place) {
  std::string text(info(collective).name);
  if (collective == Collective::barrier) return text;
  text += std::string(" ") + name(what.type);
  if (what.op != ringcoll::OpId::absent) text += std::string(" ") + name(what.op);
  if (what.root >= 0) text += " root " + std::to_string(what.root);
  return text + ", " + std::to_string(bytes) + " bytes, " + (in_place ? "in place" : "out of place");
}

}  // namespace

Bench::Bench(const Config& config, World& world, const Buffers& buffers, Progress& progress)
    : config_(&config), world_(&world), buffers_(&buffers), progress_(&progress) {
  works_.reserve(2 * static_cast<std::size_t>(config.agg_iters));
}

Problem Bench::problem_of(const Case& what) const {
  return {config_->collective, what.type, what.op, std::max(what.root, 0), world_->group().size(), seed_};
}

Placement Bench::placement_of(const Case& what, std::size_t bytes, bool in_place) const {
  const ringcoll::Options options{.deadline = std::chrono::seconds(config_->timeout),
                                  .reproducible = config_->reproducible};
  return {*buffers_, problem_of(what), bytes, world_->group().rank(), in_place, config_->unalign, options};
}

void Bench::warm_up(const Case& what) {
  // As in nccl-tests: sizes by doubling, whatever the step.
  std::vector<std::size_t> sizes = config_->sizes;
  if (config_->collective == Collective::barrier) sizes = {0};
  if (sizes.empty())
    for (std::size_t bytes = config_->min_bytes; bytes <= config_->max_bytes;
         bytes = std::max<std::size_t>(bytes * 2, 1))
      sizes.push_back(bytes);
  const Operation operation = find_operation(what.type, what.op);
  for (const std::size_t bytes : sizes) {
    const Alarm alarm(world_->rank(), config_->timeout);
    const std::string stage = stage_text(config_->collective, what, bytes, false) + ", warm-up";
    set_stage(stage);
    const Placement placement = placement_of(what, bytes, false);
    for (int i = 0; i < config_->warmup_iters; ++i) {
      progress_->show(stage, i, config_->warmup_iters);
      operation.run(world_->group(), placement.call(i));
    }
  }
}

Row Bench::row_of(const Case& what, std::size_t bytes) const {
  const Placement placement = placement_of(what, bytes, false);
  Row row;
  row.collective = config_->collective;
  row.bytes = placement.bytes();
  row.count = placement.count();
  row.type = what.type;
  row.op = what.op;
  row.root = what.root;
  return row;
}

Side Bench::measure(const Case& what, std::size_t bytes, bool in_place) {
  const Alarm alarm(world_->rank(), config_->timeout);
  const Problem problem = problem_of(what);
  const int size = problem.size;
  const Operation operation = find_operation(what.type, what.op);
  const Placement placement = placement_of(what, bytes, in_place);
  stage_ = stage_text(config_->collective, what, placement.bytes(), in_place);
  progress_->show(stage_, 0, config_->iters);

  set_stage(stage_ + ", first call");
  if (config_->check_iters > 0) placement.fill(problem, 0);
  inject_before();
  operation.run(world_->group(), placement.call(0));
  const long iterations = config_->duration > 0 ? iterations_for(operation, placement) : config_->iters;
  world_->barrier();

  set_stage(stage_ + ", timed");
  Timing timing = time(operation, placement, iterations, wants_samples(*config_));
  const double calls = static_cast<double>(iterations) * config_->agg_iters;
  Side side;
  side.iterations = static_cast<int>(iterations);
  side.time = world_->average(timing.elapsed / calls, config_->average);
  side.cpu_time = world_->average(timing.cpu / calls, config_->average);
  if (wants_samples(*config_)) {
    const std::vector<double> totals = world_->at_rank0(timing.elapsed);
    const auto slowest = std::max_element(totals.begin(), totals.end());
    if (slowest != totals.end()) side.slowest_rank = static_cast<int>(slowest - totals.begin());
    world_->max_at_rank0(timing.samples);
    const long skipped = config_->per_iteration ? std::min<long>(config_->per_iteration_skip, iterations - 1) : 0;
    side.samples = statistics_of(std::span(timing.samples).subspan(static_cast<std::size_t>(skipped)));
  }
  const double amount = algorithm_bytes(config_->collective, placement.count(), size_of(what.type), size);
  side.algbw = side.time > 0 ? amount / side.time * 1e-9 : 0;
  side.busbw = side.algbw * bus_factor(config_->collective, size);
  world_->barrier();

  if (config_->check_iters > 0) check(operation, placement, problem, side);
  return side;
}

void Bench::iterate(const Operation& operation, const Placement& placement, Call& call) {
  const bool together = config_->agg_iters > 1 && config_->pace != Pace::barrier_inside;
  for (int i = 0; i < config_->agg_iters; ++i) {
    if (together) operation.start(world_->group(), call, works_);
    else operation.run(world_->group(), call);
    placement.advance(call);
    if (config_->pace == Pace::barrier_inside) world_->barrier();
  }
  for (ringcoll::Work& work : works_) work.wait();
  works_.clear();
}

Bench::Timing Bench::time(const Operation& operation, const Placement& placement, long iterations, bool sampled) {
  const bool apart = config_->pace == Pace::barrier_outside || config_->touch;
  Timing timing;
  if (sampled) timing.samples.reserve(static_cast<std::size_t>(iterations));
  Call call = placement.call(0);
  const double cpu_start = cpu_seconds();
  if (!sampled && !apart) {
    const auto start = Clock::now();
    for (long i = 0; i < iterations; ++i) {
      stage_iteration.store(i, std::memory_order_relaxed);
      iterate(operation, placement, call);
    }
    timing.elapsed = seconds_since(start);
    timing.cpu = cpu_seconds() - cpu_start;
    return timing;
  }
  for (long i = 0; i < iterations; ++i) {
    stage_iteration.store(i, std::memory_order_relaxed);
    const auto start = Clock::now();
    iterate(operation, placement, call);
    const double elapsed = seconds_since(start);
    timing.elapsed += elapsed;
    if (sampled) timing.samples.push_back(elapsed / config_->agg_iters);
    if (elapsed > 0.05) progress_->show(stage_, i + 1, iterations);  // where a write costs nothing
    if (!apart) continue;
    if (config_->touch) placement.touch(i);
    world_->barrier();
  }
  timing.cpu = cpu_seconds() - cpu_start;
  return timing;
}

long Bench::iterations_for(const Operation& operation, const Placement& placement) {
  constexpr double most = 10e6;
  for (long batch = 1;; batch *= 2) {
    world_->barrier();
    const double elapsed = time(operation, placement, batch, false).elapsed;
    const double wanted = std::clamp(config_->duration * static_cast<double>(batch) / elapsed, 1.0, most);
    const bool enough = elapsed > 0.05 * config_->duration || static_cast<double>(batch) >= most;
    if (const long iterations = world_->from_rank0(enough ? static_cast<long>(wanted) : 0)) return iterations;
  }
}

void Bench::check(const Operation& operation, const Placement& placement, Problem problem, Side& side) {
  set_stage(stage_ + ", check");
  if (problem.collective == Collective::barrier && !world_->group().one_host()) return;  // clocks differ
  side.wrong = 0;
  for (int i = 0; i < config_->check_iters && *side.wrong == 0; ++i) {
    stage_iteration = i;
    progress_->show(stage_ + ", check", i, config_->check_iters);
    problem.seed = ++seed_;
    const Mismatch mismatch = checked_call(operation, placement, problem, i);
    if (mismatch.count > 0) {
      progress_->clear();
      dprintf(STDERR_FILENO, "ringcoll_perf: rank %d: wrong result: %s: %s (%llu wrong)\n", world_->rank(),
              current_stage().c_str(), mismatch.first.c_str(), static_cast<unsigned long long>(mismatch.count));
    }
    side.wrong = world_->sum(mismatch.count);
    side.failed_checks += static_cast<int>(world_->sum(mismatch.count > 0 ? 1 : 0));
  }
}

Mismatch Bench::checked_call(const Operation& operation, const Placement& placement, const Problem& problem,
                             long iteration) {
  const Call call = placement.call(iteration);
  if (problem.collective == Collective::barrier) return checked_barrier(operation, call);
  placement.fill(problem, iteration);
  operation.run(world_->group(), call);
  if (is_last()) placement.spoil(config_->inject, iteration);
  return placement.check(problem, iteration);
}

/// No rank of the group may leave before the last one has entered.
Mismatch Bench::checked_barrier(const Operation& operation, const Call& call) {
  ringcoll::Communicator& group = world_->group();
  // A different rank is late each time.
  if (seed_ % static_cast<std::uint64_t>(group.size()) == static_cast<std::uint64_t>(group.rank()))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  double entered = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  operation.run(group, call);
  const double left = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  entered = world_->group_max(entered);
  const bool early = left < entered || (is_last() && config_->inject == Inject::wrong);
  return early ? Mismatch{1, "it left before the last rank entered"} : Mismatch{};
}

void Bench::inject_before() const {
  if (!is_last()) return;
  if (config_->inject == Inject::die) raise(SIGKILL);
  if (config_->inject == Inject::error) throw ringcoll::Error(ringcoll::Errc::system_error, "injected error");
  while (config_->inject == Inject::hang) pause();
}

}  // namespace perf
