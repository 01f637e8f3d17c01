// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>

// What the tables of nccl-tests are made of.

namespace perf {

template <class... Values>
std::string print(const char* format, Values... values) {
  char text[512];
  const int length = std::snprintf(text, sizeof text, format, values...);
  return {text, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1))};
}

inline std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

/// As many decimals, up to two, as the width has room for.
inline std::string number(double value, std::size_t width) {
  for (const int decimals : {2, 1, 0}) {
    const std::string text = print("%.*f", decimals, value);
    if (text.size() <= width) return right(text, width);
  }
  return print("%.1e", value);
}

}  // namespace perf
