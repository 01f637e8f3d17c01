// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

/// One handwritten digit: 8 rows of 8 pixels, 0 is paper and 1 is ink, and what its writer meant.
struct Digit {
  static constexpr std::size_t side = 8, pixels = side * side, classes = 10;

  std::array<float, pixels> pixel;
  std::size_t label;
};

struct Digits {
  std::vector<Digit> training, test;
};

/// The file cannot be used; `what()` names the file, the line and what was expected there.
struct BadDigits : std::runtime_error {
  using runtime_error::runtime_error;
};

/// Reads scikit-learn's digits.csv, plain or gzipped: 64 pixels from 0 to 16 and a label from 0 to 9 on each line.
/// Every fifth image is for the test, the same ones each time.
Digits read_digits(const std::string& path);
