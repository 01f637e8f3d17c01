// SPDX-License-Identifier: Apache-2.0
#include "reference.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "inputs.hpp"
#include "type_dispatch.hpp"

namespace perf {
namespace {

using ringcoll::OpId;

/// Inputs repeat after this many elements, a prime: a part that went to the wrong place is off by a multiple of its
/// own length, which is not a multiple of the period, and shows.
constexpr std::size_t period = 65521;

template <class T>
T combined_at(const Problem& problem, std::size_t index) {
  // The wider type that the reference computes in.
  using Wide =
      std::conditional_t<is_float<T>, double, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
  const auto input = [&](int rank) {
    if constexpr (is_float<T>) return to_double(input_at<T>(problem, rank, index));
    else return static_cast<Wide>(input_at<T>(problem, rank, index));
  };
  // Integers wrap around, which unsigned arithmetic may do.
  const auto plus = [](Wide a, Wide b) {
    if constexpr (is_float<T>) return a + b;
    else return static_cast<Wide>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  };
  const auto times = [](Wide a, Wide b) {
    if constexpr (is_float<T>) return a * b;
    else return static_cast<Wide>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  };
  const auto scaled = [&](int rank) {
    return problem.op == OpId::premul_sum ? times(input(rank), static_cast<Wide>(premul_scale(rank))) : input(rank);
  };
  Wide total = scaled(0);
  for (int rank = 1; rank < problem.size; ++rank) {
    switch (problem.op) {
      case OpId::prod: total = times(total, input(rank)); break;
      case OpId::min: total = std::min(total, input(rank)); break;
      case OpId::max: total = std::max(total, input(rank)); break;
      default: total = plus(total, scaled(rank)); break;
    }
  }
  if (problem.op == OpId::avg) total = total / static_cast<Wide>(problem.size);
  if constexpr (is_float<T>) return from_double<T>(total);
  else return static_cast<T>(total);
}

/// One period of what `source`, or all ranks, contribute; or `count` elements if that is less.
template <class T>
std::vector<T> pattern(const Problem& problem, int source, std::size_t count) {
  std::vector<T> values(std::min(count, period));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = source == Segment::combined ? combined_at<T>(problem, i) : input_at<T>(problem, source, i);
  return values;
}

/// Calls f(offset, part of the pattern) for pieces that make up `count` elements from index `first` on.
template <class T, class F>
void for_each_piece(const std::vector<T>& values, std::size_t first, std::size_t count, F&& f) {
  for (std::size_t done = 0; done < count;) {
    const std::size_t start = (first + done) % period;
    const std::size_t piece = std::min(count - done, values.size() - start);
    f(done, std::span<const T>(values).subspan(start, piece));
    done += piece;
  }
}

template <class T>
std::string shown(T value) {
  if constexpr (!is_float<T>) return std::to_string(value);
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", to_double(value));
  return text;
}

template <class T>
bool is_right(const Problem& problem, bool is_combined, T actual, T expected) {
  const auto bits = [](const T& value) { return std::as_bytes(std::span(&value, 1)); };
  if (std::ranges::equal(bits(actual), bits(expected))) return true;
  if (!is_combined || !is_float<T>) return false;
  const double exact = to_double(expected);
  return std::abs(to_double(actual) - exact) <= tolerance(problem.type, problem.op, exact);  // false for NaN
}

template <class T>
void compare(const Problem& problem, const Segment& segment, std::size_t offset, std::span<const std::byte> memory,
             Mismatch& mismatch) {
  const std::vector<T> values = pattern<T>(problem, segment.source, segment.first + segment.count);
  for_each_piece(values, segment.first, segment.count, [&](std::size_t done, std::span<const T> expected) {
    const std::byte* actual = memory.data() + (offset + done) * sizeof(T);
    if (std::memcmp(actual, expected.data(), expected.size_bytes()) == 0) return;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      T value = expected[i];
      std::memcpy(&value, actual + i * sizeof(T), sizeof(T));  // --unalign may have moved it off its boundary
      if (is_right(problem, segment.source == Segment::combined, value, expected[i])) continue;
      if (mismatch.count++ == 0)
        mismatch.first =
            "element " + std::to_string(offset + done + i) + " is " + shown(value) + ", expected " + shown(expected[i]);
    }
  });
}

}  // namespace

std::vector<Segment> expected_output(const Problem& problem, std::size_t count, int rank) {
  using enum Collective;
  const bool gets = !info(problem.collective).has_root || rank == problem.root || problem.collective == broadcast ||
                    problem.collective == scatter;
  if (!gets) return {};
  const std::size_t me = static_cast<std::size_t>(rank);
  const auto before = [](const std::vector<std::size_t>& parts, int end) {
    std::size_t sum = 0;
    for (int i = 0; i < end; ++i) sum += parts[static_cast<std::size_t>(i)];
    return sum;
  };
  const std::vector<std::size_t> parts = uneven_parts(problem.collective, count, rank, problem.size);
  std::vector<Segment> segments;
  switch (problem.collective) {
    case allreduce:
    case reduce: return {{Segment::combined, 0, count}};
    case reduce_scatter: return {{Segment::combined, me * count, count}};
    case reduce_scatterv: return {{Segment::combined, before(parts, rank), parts[me]}};
    case broadcast: return {{problem.root, 0, count}};
    case scatter: return {{problem.root, me * count, count}};
    case sendrecv: return {{(rank + problem.size - 1) % problem.size, 0, count}};
    case barrier: return {};
    case allgather:
    case gather:
    case hypercube:
    case allgatherv:
    case alltoall:
    case alltoallv: break;
  }
  for (int source = 0; source < problem.size; ++source) {
    const std::size_t part = parts[static_cast<std::size_t>(source)];
    if (problem.collective == allgatherv) segments.push_back({source, 0, part});
    else if (problem.collective == alltoall) segments.push_back({source, me * count, count});
    else if (problem.collective == alltoallv)
      segments.push_back({source, before(uneven_parts(alltoallv, count, source, problem.size), rank), part});
    else segments.push_back({source, 0, count});
  }
  return segments;
}

void write_input(const Problem& problem, int rank, std::span<std::byte> input) {
  with_type(problem.type, [&]<class T>(std::type_identity<T>) {
    const std::size_t count = input.size() / sizeof(T);
    const std::vector<T> values = pattern<T>(problem, rank, count);
    for_each_piece(values, 0, count, [&](std::size_t done, std::span<const T> piece) {
      std::memcpy(input.data() + done * sizeof(T), piece.data(), piece.size_bytes());
    });
  });
}

Mismatch check_output(const Problem& problem, std::size_t count, int rank, std::span<const std::byte> output) {
  Mismatch mismatch;
  std::size_t offset = 0;
  for (const Segment& segment : expected_output(problem, count, rank)) {
    with_type(problem.type,
              [&]<class T>(std::type_identity<T>) { compare<T>(problem, segment, offset, output, mismatch); });
    offset += segment.count;
  }
  return mismatch;
}

Mismatch check_input(const Problem& problem, int rank, std::span<const std::byte> input) {
  Mismatch mismatch;
  with_type(problem.type, [&]<class T>(std::type_identity<T>) {
    compare<T>(problem, {rank, 0, input.size() / sizeof(T)}, 0, input, mismatch);
  });
  return mismatch;
}

double tolerance(ringcoll::DataType type, ringcoll::OpId op, double exact) {
  if (op != OpId::avg) return 0;
  return with_type(type, [&]<class T>(std::type_identity<T>) {
    if constexpr (is_float<T>) {
      const int exponent = exact == 0 ? FloatTraits<T>::lowest : std::max(std::ilogb(exact), FloatTraits<T>::lowest);
      return std::ldexp(1.0, exponent - FloatTraits<T>::precision + 1);
    } else {
      return 0.0;
    }
  });
}

}  // namespace perf
