// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace ringcoll::inline v0 {

/// RINGCOLL_DEBUG: OFF, WARN (unless set) or INFO. A healthy run says nothing at WARN.
enum class LogLevel { off, warn, info };

namespace detail {

inline LogLevel log_level() {
  static const LogLevel level = [] {
    const char* const text = std::getenv("RINGCOLL_DEBUG");
    const std::string_view wish = text ? text : "WARN";
    return wish == "OFF" ? LogLevel::off : wish == "INFO" ? LogLevel::info : LogLevel::warn;
  }();
  return level;
}

}  // namespace detail

/// One line on stderr, "host:pid [rank] RINGCOLL WARN text", in one write. Nothing if `level` is not asked for.
inline void log(LogLevel level, int rank, const std::string& text) {
  if (level > detail::log_level() || level == LogLevel::off) return;
  char host[65] = "?";
  ::gethostname(host, sizeof host - 1);
  const std::string line = std::string(host) + ":" + std::to_string(::getpid()) + " [" + std::to_string(rank) +
                           "] RINGCOLL " + (level == LogLevel::warn ? "WARN " : "INFO ") + text + "\n";
  std::fputs(line.c_str(), stderr);
}

}  // namespace ringcoll::inline v0
