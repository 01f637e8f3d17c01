// SPDX-License-Identifier: Apache-2.0
#include "flags.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace {

template <class T>
T number(std::string_view flag, std::string_view text, T least, T most) {
  T value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last || !(value >= least && value <= most)) {
    char range[80];
    std::snprintf(range, sizeof range, "%g to %g", static_cast<double>(least), static_cast<double>(most));
    throw BadFlags(std::string(flag) + ": expected a number from " + range + ", found '" + std::string(text) + "'");
  }
  return value;
}

}  // namespace

Flags parse_flags(int argc, char** argv) {
  Flags flags;
  Settings& settings = flags.settings;
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto value = [&] {
      if (++i == argc) throw BadFlags(std::string(flag) + ": expected a number after it");
      return std::string_view(argv[i]);
    };
    if (flag == "--ranks") flags.ranks = number(flag, value(), 1, 64);
    else if (flag == "--epochs") settings.epochs = number<std::size_t>(flag, value(), 1, 10000);
    else if (flag == "--batch") settings.batch = number<std::size_t>(flag, value(), 1, 10000);
    else if (flag == "--rate") settings.rate = number(flag, value(), 1e-6f, 1.f);
    else if (flag == "--seed") settings.seed = number<std::uint64_t>(flag, value(), 0, UINT64_MAX);
    else if (flag == "--compare-single") flags.compare_single = true;
    else if (flag == "--help") std::fputs(usage, stdout), std::exit(0);
    else if (flag.starts_with("-")) throw BadFlags("unknown flag " + std::string(flag));
    else if (++files > 1) throw BadFlags("expected one file, found also '" + std::string(flag) + "'");
    else flags.file = flag;
  }
  return flags;
}
