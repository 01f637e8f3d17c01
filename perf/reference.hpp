// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>

#include "collective.hpp"

// What must come out of a call, computed on each rank from the seed alone: rank by rank, in double or 64-bit integers,
// with none of ringcoll's ops or kernels.

namespace perf {

/// One checked call, the same on every rank.
struct Problem {
  Collective collective;
  ringcoll::DataType type;
  ringcoll::OpId op;  ///< `none` if the collective does not reduce
  int root;
  int size;
  std::uint64_t seed;
};

/// A run of elements of the output: all ranks' inputs combined, or a copy of one rank's input.
struct Segment {
  static constexpr int combined = -1;
  int source;
  std::size_t first;  ///< index in the input
  std::size_t count;
};

/// What the call leaves in `rank`'s output, from its first element on; nothing if the rank gets nothing.
std::vector<Segment> expected_output(const Problem& problem, std::size_t count, int rank);

/// Writes what `rank` puts in, from element 0 of its input on.
void write_input(const Problem& problem, int rank, std::span<std::byte> input);

/// Elements that are not as they should be, and the first of them for people.
struct Mismatch {
  std::uint64_t count = 0;
  std::string first;  ///< "element 17 is 3, expected 4"; empty if count is 0
};

Mismatch check_output(const Problem& problem, std::size_t count, int rank, std::span<const std::byte> output);
/// The input is `const` for the call: it must be as write_input left it.
Mismatch check_input(const Problem& problem, int rank, std::span<const std::byte> input);

/// How far a right result may be from the exact one. Only a float's avg may be off, by one unit in the last place: its
/// sum is exact, then it is divided by (or multiplied with the inverse of) the size and rounded once or twice.
double tolerance(ringcoll::DataType type, ringcoll::OpId op, double exact);

}  // namespace perf
