// SPDX-License-Identifier: Apache-2.0
// The table of nccl-tests, byte for byte but for the first line: programs parse it. docs/perf.md shows it.
#include <algorithm>
#include <cstdio>
#include <string>

#include "columns.hpp"
#include "exit_code.hpp"
#include "output.hpp"
#include "report.hpp"
#include "version.hpp"

namespace perf {
namespace {

struct Column {
  std::string name, unit;
  std::size_t width;
};

std::vector<Column> side_columns(const Config& config) {
  std::vector<Column> columns = {{config.report_cputime ? "cputime" : "time", "(us)", 7},
                                 {"algbw", "(GB/s)", 6},
                                 {"busbw", "(GB/s)", 6},
                                 {"#wrong", "", 6}};
  if (config.per_iteration)
    columns.insert(columns.end(),
                   {{"i_min", "(us)", 7}, {"i_max", "(us)", 7}, {"i_p99", "(us)", 7}, {"i_cv%", "(%)", 7}});
  return columns;
}

/// Appended on the right, where they do not move what parsers read: out of place, then in place.
std::vector<Column> percentile_columns(const Config& config) {
  std::vector<Column> columns;
  for (const char* const where : {"/out", "/in"}) {
    for (const double percent : config.percentiles) {
      const std::string name = print("p%g", percent) + where;
      columns.push_back({name, "(us)", std::max<std::size_t>(7, name.size())});
    }
  }
  return columns;
}

class TextReport : public Report {
 public:
  TextReport(const std::string& path, bool overwrite) : out_(path, overwrite) {}

  void begin(const Run& run) override {
    config_ = run.config;
    program_ = info(run.config.collective).program_name;
    const Config& c = run.config;
    const bool by_factor = c.step_factor > 1;
    std::string text = "# ringcoll_perf version " + version_string() + " ranks=" + std::to_string(run.devices.size()) +
                       " transport=" + c.transport + "\n";
    text += "# Collective test starting: " + program_ + "\n";
    text += print(
        "# nThread %d nGpus %d minBytes %zu maxBytes %zu step: %zu(%s) warmup iters: %d iters: %d agg iters: %d "
        "validation: %d graph: 0 unalign: %d\n",
        c.threads, c.devices, c.min_bytes, c.max_bytes, by_factor ? c.step_factor : c.step_bytes,
        by_factor ? "factor" : "bytes", c.warmup_iters, c.iters, c.agg_iters, c.check_iters, c.unalign);
    if (c.pace == Pace::barrier_inside)
      text += "# Blocking Enabled: wait and barrier after each inner iteration (-m) \n";
    if (c.pace == Pace::wait) text += "# Blocking Enabled: wait after each inner iteration (-m), no barrier \n";
    if (c.pace == Pace::barrier_outside)
      text += "# Blocking Enabled: wait and barrier after each outer iteration (-n); time excludes barrier \n";
    if (c.per_iteration) {
      text += "# Per-Iteration Report: i_* uses max over process rows";
      if (c.per_iteration_skip > 0) text += print("; summary skips first %d iterations", c.per_iteration_skip);
      text += " \n";
    }
    text += "#\n# Using devices\n";
    for (const Device& d : run.devices)
      text += print("#  Rank %2d Group %2d Pid %6d on %10s device %2d [cpu %d] %s\n", d.rank, d.group, d.pid,
                    d.host.c_str(), d.local_rank, d.cpu, d.model.c_str());
    if (run.reduced_to > 0) text += print("#\n# Reducing maxBytes to %zu due to memory limitation\n", run.reduced_to);
    out_.write(text);
  }

  void header() override {
    const std::vector<Column> first = {
        {"size", "(B)", 10}, {"count", "(elements)", 12}, {"type", "", 8}, {"redop", "", 6}, {"root", "", 6}};
    const std::vector<Column> side = side_columns(config_);
    std::string title(50, ' '), names, units;
    for (const std::vector<Column>& columns : {first, side, side, percentile_columns(config_)}) {
      for (const Column& column : columns) {
        const std::string gap(names.empty() ? 0 : 2, ' ');
        names += gap + right(column.name, column.width);
        units += gap + right(column.unit, column.width);
      }
    }
    title += config_.per_iteration
                 ? std::string(14, ' ') + "out-of-place (+ per-iteration)" + std::string(32, ' ') +
                       "in-place (+ per-iteration)"
                 : std::string(11, ' ') + "out-of-place" + std::string(23, ' ') + "in-place" + std::string(10, ' ');
    const std::size_t stamp = config_.report_timestamps ? 19 : 0;
    names += " " + right(config_.report_timestamps ? "timestamp" : "", stamp);
    units += " " + right(config_.report_timestamps ? "%Y-%m-%d %H:%M:%S" : "", stamp);
    out_.write("#\n# " + title + "\n# " + names + "\n# " + units + "\n");
  }

  void row(const Row& row) override {
    std::string text =
        print("%12zu  %12zu  %8s  %6s  %6d", row.bytes, row.count, name(row.type), name(row.op), row.root);
    for (const Side* side : {&row.out_of_place, &row.in_place}) text += side_text(*side);
    std::vector<Column> columns = percentile_columns(config_);
    auto column = columns.begin();
    for (const Side* side : {&row.out_of_place, &row.in_place})
      for (const double percent : config_.percentiles)
        text += "  " + number(side->samples.percentile(percent) * 1e6, (column++)->width);
    if (config_.report_timestamps) text += right(local_now(), 21);
    out_.write(text + "\n");
  }

  void end(const Summary& summary) override {
    std::string text = print("# %-20s : %d %s\n", "Out of bounds values", summary.failed_checks,
                             summary.failed_checks > 0 ? "FAILED" : "OK");
    const char* const verdict = !summary.minimum_busbw ? "" : summary.too_slow() ? "FAILED" : "OK";
    text += print("# %-20s : %g %s\n", "Avg bus bandwidth", summary.average_busbw, verdict);
    text += "#\n# Collective test concluded: " + program_ + "\n";
    if (summary.memory) {
      const MemoryUse& use = *summary.memory;
      text += print("# %-20s : Initialization %s | User-Allocated %s | Collective %s | Total  %s\n", "CPU memory usage",
                    memory_text(use.connecting).c_str(), memory_text(use.buffers).c_str(),
                    memory_text(use.calls).c_str(), memory_text(use.connecting + use.buffers + use.calls).c_str());
    }
    out_.write(text + "#\n\n");
    out_.finish();
  }

 private:
  std::string side_text(const Side& side) const {
    const double time = config_.report_cputime ? side.cpu_time : side.time;
    std::string text = "  " + number(time * 1e6, 7) + "  " + number(side.algbw, 6) + "  " + number(side.busbw, 6);
    text += side.wrong ? print("  %6g", static_cast<double>(*side.wrong)) : "     N/A";
    if (!config_.per_iteration) return text;
    const Statistics& s = side.samples;
    for (const double value : {s.min * 1e6, s.max * 1e6, s.percentile(99) * 1e6, s.variation()})
      text += "  " + number(value, 7);
    return text;
  }

  static std::string memory_text(std::size_t bytes) {
    double amount = static_cast<double>(bytes);
    const char* unit = "B";
    for (const char* const larger : {"KB", "MB", "GB"}) {
      if (amount < 1024) break;
      amount /= 1024;
      unit = larger;
    }
    return print("%.*f %s", amount < 10 ? 2 : amount < 100 ? 1 : 0, amount, unit);
  }

  Output out_;
  Config config_;
  std::string program_;
};

}  // namespace

std::unique_ptr<Report> text_report(const std::string& path, bool overwrite) {
  return std::make_unique<TextReport>(path, overwrite);
}

}  // namespace perf
