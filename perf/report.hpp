// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "results.hpp"

namespace perf {

/// Something that shows the results. Rank 0 alone has reports.
class Report {
 public:
  virtual ~Report() = default;
  virtual void begin(const Run& run) = 0;
  /// After begin: everything is ready, rows follow.
  virtual void header() {}
  virtual void row(const Row& row) = 0;
  /// All rows were measured.
  virtual void end(const Summary& summary) = 0;
};

std::unique_ptr<Report> text_report(const std::string& path, bool overwrite);
std::unique_ptr<Report> csv_report(const std::string& path, bool overwrite);
std::unique_ptr<Report> json_report(const std::string& path, bool overwrite);

/// Those that the command line asks for.
std::vector<std::unique_ptr<Report>> reports_for(const Config& config);

/// "2026-11-21T09:25:00Z", or with the format of strftime, local.
std::string utc_now();
std::string local_now();

}  // namespace perf
