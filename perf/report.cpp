// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <ctime>

namespace perf {
namespace {

std::string formatted(const char* format, tm* (*zone)(const time_t*, tm*)) {
  const time_t now = time(nullptr);
  tm fields{};
  zone(&now, &fields);
  char text[40];
  return {text, strftime(text, sizeof text, format, &fields)};
}

}  // namespace

std::string utc_now() { return formatted("%Y-%m-%dT%H:%M:%SZ", gmtime_r); }
std::string local_now() { return formatted("%Y-%m-%d %H:%M:%S", localtime_r); }

std::vector<std::unique_ptr<Report>> reports_for(const Config& config) {
  std::vector<std::unique_ptr<Report>> reports;
  switch (config.format) {
    case Format::text: reports.push_back(text_report("-", false)); break;
    case Format::csv: reports.push_back(csv_report("-", false)); break;
    case Format::json: reports.push_back(json_report("-", false)); break;
  }
  if (!config.csv_path.empty()) reports.push_back(csv_report(config.csv_path, config.force));
  if (!config.json_path.empty()) reports.push_back(json_report(config.json_path, config.force));
  return reports;
}

}  // namespace perf
