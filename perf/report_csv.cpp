// SPDX-License-Identifier: Apache-2.0
// One line a measurement; the first twelve columns are those of the peers' harness, see peers.hpp.
#include <cstdio>
#include <string>

#include "output.hpp"
#include "peers.hpp"
#include "report.hpp"

namespace perf {
namespace {

class CsvReport : public Report {
 public:
  CsvReport(const std::string& path, bool overwrite) : out_(path, overwrite) {}

  void begin(const Run& run) override {
    ranks_ = run.group_size;
    transport_ = run.config.transport;
    out_.write(std::string(peers_columns) +
               ",count,type,redop,root,cycle,mean_us,max_us,stdev_us,cpu_us,slowest_rank\n");
  }

  void row(const Row& row) override {
    line(row, row.out_of_place, "");
    line(row, row.in_place, "_inplace");
  }

  void end(const Summary&) override { out_.finish(); }

 private:
  void line(const Row& row, const Side& side, const char* placement) {
    const Statistics& s = side.samples;
    const double p50 = s.percentile(50);
    // As the peers do: bandwidths come from the median. Those of the mean are in the text and in JSON.
    const double faster = p50 > 0 ? side.time / p50 : 0;
    char text[512];
    std::snprintf(text, sizeof text,
                  "ringcoll,%s,%s%s,%d,%zu,%d,%.3f,%.3f,%.3f,%.4f,%.4f,%s,%zu,%s,%s,%d,%d,%.3f,%.3f,%.3f,%.3f,%s\n",
                  transport_.c_str(), std::string(info(row.collective).name).c_str(), placement, ranks_, row.bytes,
                  side.iterations, p50 * 1e6, s.percentile(99) * 1e6, s.min * 1e6, side.algbw * faster,
                  side.busbw * faster, side.wrong ? std::to_string(*side.wrong).c_str() : "", row.count, name(row.type),
                  name(row.op), row.root, row.cycle, s.mean * 1e6, s.max * 1e6, s.stdev * 1e6, side.cpu_time * 1e6,
                  side.slowest_rank ? std::to_string(*side.slowest_rank).c_str() : "");
    out_.write(text);
  }

  Output out_;
  int ranks_ = 1;
  std::string transport_;
};

}  // namespace

std::unique_ptr<Report> csv_report(const std::string& path, bool overwrite) {
  return std::make_unique<CsvReport>(path, overwrite);
}

}  // namespace perf
