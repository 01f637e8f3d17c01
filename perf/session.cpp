// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <algorithm>
#include <cstdio>

#include "bench.hpp"
#include "environment.hpp"
#include "explain.hpp"
#include "machine.hpp"
#include "memory.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "watch.hpp"

namespace perf {
namespace {

std::vector<Case> cases_of(const Config& config, int size) {
  const CollectiveInfo& collective = info(config.collective);
  const std::vector<ringcoll::OpId> ops = collective.reduces ? config.ops : std::vector{ringcoll::OpId::absent};
  std::vector<int> roots = {collective.has_root ? config.root : -1};
  if (collective.has_root && config.every_root) {
    roots.clear();
    for (int root = 0; root < size; ++root) roots.push_back(root);
  }
  std::vector<Case> cases;
  for (const ringcoll::DataType type : config.types)
    for (const ringcoll::OpId op : ops)
      for (const int root : roots) cases.push_back({type, op, root});
  return cases;
}

/// For the time left: a small call costs its latency, a large one its bytes.
double work_of(std::size_t bytes) { return 16384 + static_cast<double>(bytes); }

/// What makes no sense for this number of ranks.
void check_ranks(const Config& config, int size) {
  if (config.root >= size && info(config.collective).has_root)
    throw usage_error("-r " + std::to_string(config.root) + ": expected a rank below " + std::to_string(size) +
                      ", or all");
  if (config.collective == Collective::hypercube && (size & (size - 1)) != 0)
    throw Failure(ExitCode::not_implemented,
                  "hypercube runs on 1, 2, 4, 8, 16, … ranks, and here are " + std::to_string(size));
}

/// Leaves room for the ranks of a host: each has two buffers. Returns the largest size if it had to be reduced, or 0.
std::size_t fit_memory(Config& config, World& world, const std::vector<Device>& devices) {
  int crowd = 0;
  for (const Device& device : devices) crowd = std::max(crowd, device.local_rank + 1);
  const double share = 0.8 * static_cast<double>(available_memory()) / 2 / static_cast<double>(world.from_rank0(crowd));
  const std::size_t most = static_cast<std::size_t>(-world.max(-std::min(share, 0x1p50)));
  if (largest_size(config) <= most) return 0;
  config.max_bytes = most;
  config.min_bytes = std::min(config.min_bytes, most);
  for (std::size_t& size : config.sizes) size = std::min(size, most);
  return most;
}

/// Rank 0's reports. When one fails, all ranks are to stop quietly, and rank 0 says why.
class Reports {
 public:
  Reports(World& world, Progress& progress) : world_(&world), progress_(&progress) {}

  void open(const Config& config) {
    attempt([&] { reports_ = reports_for(config); });
  }
  template <class F>
  void each(F&& f) {
    attempt([&] {
      for (const auto& report : reports_) f(*report);
    });
  }
  /// What all ranks end with if a report has failed; else ok. Every rank calls it.
  ExitCode verdict() { return static_cast<ExitCode>(world_->from_rank0(static_cast<long>(code_))); }

 private:
  template <class F>
  void attempt(F&& f) {
    if (world_->rank() != 0 || code_ != ExitCode::ok) return;
    progress_->clear();
    try {
      f();
    } catch (const Failure& failure) {
      code_ = failure.code();
      std::fprintf(stderr, "ringcoll_perf: %s\n", failure.what());
    }
  }

  World* world_;
  Progress* progress_;
  std::vector<std::unique_ptr<Report>> reports_;
  ExitCode code_ = ExitCode::ok;
};

/// All rows of all cases. Adds up what the summary says.
ExitCode measure_all(const Config& config, World& world, Bench& bench, Reports& reports, Progress& progress,
                     Summary& summary) {
  const std::vector<std::size_t> sizes = sizes_of(config);
  double busbw = 0;
  int rows = 0;
  for (const Case& what : cases_of(config, world.group().size())) {
    bench.warm_up(what);
    for (int cycle = 0; config.run_cycles == 0 || cycle < config.run_cycles; ++cycle) {
      for (const std::size_t bytes : sizes) {
        Row row = bench.row_of(what, bytes);
        row.cycle = cycle;
        row.out_of_place = bench.measure(what, bytes, false);
        row.in_place = bench.measure(what, bytes, true);
        busbw += row.out_of_place.busbw + row.in_place.busbw;
        summary.failed_checks += row.out_of_place.failed_checks + row.in_place.failed_checks;
        summary.average_busbw = busbw / (2 * ++rows);
        progress.done(work_of(bytes));
        reports.each([&](Report& report) { report.row(row); });
        if (const ExitCode code = reports.verdict(); code != ExitCode::ok) return code;
      }
    }
  }
  return ExitCode::ok;
}

MemoryUse memory_use(World& world, std::size_t before, std::size_t connected, std::size_t buffers, std::size_t after) {
  const auto most = [&](std::size_t end, std::size_t start) {
    return static_cast<std::size_t>(world.max(end > start ? static_cast<double>(end - start) : 0));
  };
  return {.connecting = most(connected, before), .buffers = buffers, .calls = most(after, connected + buffers)};
}

}  // namespace

ExitCode run_session(Config config, ringcoll::Communicator all, const std::string& launcher, PeersMemory* shared,
                     std::size_t resident_before) {
  const std::size_t resident_connected = resident_memory();
  const int color = split_color(config.split, all.rank());
  World world(std::move(all), color);
  if (shared != nullptr) return run_peers(config, world, *shared) == 0 ? ExitCode::ok : ExitCode::wrong;
  try {
    check_ranks(config, world.group().size());
  } catch (const Failure& failure) {  // which all ranks meet: one of them says it
    if (world.rank() == 0) throw;
    return failure.code();
  }

  if (config.explain) return explain(config, world);

  Run run;
  run.started = utc_now();
  run.launcher = launcher;
  if (config.transport == "auto" && world.group().one_host()) config.transport = "shm";
  run.devices = decode(world.at_rank0(encode(this_device(world.rank(), color))));
  run.reduced_to = fit_memory(config, world, run.devices);
  run.config = config;
  run.group_size = world.group().size();

  double work = 0;
  for (const std::size_t bytes : sizes_of(config)) work += work_of(bytes);
  Progress progress(world.rank() == 0,
                    work * static_cast<double>(cases_of(config, run.group_size).size()) * config.run_cycles);
  Reports reports(world, progress);
  reports.open(config);
  reports.each([&](Report& report) { report.begin(run); });
  if (const ExitCode code = reports.verdict(); code != ExitCode::ok) return code;

  const Buffers buffers(largest_size(config), static_cast<std::size_t>(config.unalign) * 8);
  Bench bench(config, world, buffers, progress);
  reports.each([](Report& report) { report.header(); });

  Summary summary;
  summary.minimum_busbw = config.minimum_busbw;
  if (const ExitCode code = measure_all(config, world, bench, reports, progress, summary); code != ExitCode::ok)
    return code;

  set_stage("the end");
  if (config.report_memory)
    summary.memory = memory_use(world, resident_before, resident_connected, buffers.bytes(), resident_memory());
  reports.each([&](Report& report) { report.end(summary); });
  if (const ExitCode code = reports.verdict(); code != ExitCode::ok) return code;
  return world.from_rank0(summary.ok() ? 1 : 0) == 1 ? ExitCode::ok : ExitCode::wrong;
}

}  // namespace perf
