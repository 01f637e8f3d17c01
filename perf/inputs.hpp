// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>

#include "reference.hpp"

// The numbers that ranks put into a checked call. They are drawn so that the right result is exact in the element type,
// whatever the order in which ranks are combined and wherever it is rounded:
//
//   sum, mulsum   floats: whole multiples of 2^k (k by element) whose magnitudes add up to at most 2^p, where p is the
//                 type's precision, so that no partial sum is rounded. Integers: anything, since they wrap around.
//   avg           as sum; integers so small that the sum does not wrap. Then one division, which may round.
//   prod          floats: powers of two whose exponents cannot leave the normal range in any order, and one rank's
//                 mantissa is full. Integers: odd numbers, so that no product becomes 0.
//   min, max      anything finite.
//   none          any bits.
//
// With many ranks and few bits not every rank fits: then a moving set of ranks puts in 1 or -1, and the others 0.

namespace perf {

template <class T>
inline constexpr bool is_float = !std::is_integral_v<T>;

/// Precision p counts the leading bit; exponents are those of normal numbers.
template <class T> struct FloatTraits;
template <> struct FloatTraits<double> {
  static constexpr int precision = 53, lowest = -1022, highest = 1023;
};
template <> struct FloatTraits<float> {
  static constexpr int precision = 24, lowest = -126, highest = 127;
};
template <> struct FloatTraits<ringcoll::bfloat16> {
  static constexpr int precision = 8, lowest = -126, highest = 127;
};
template <> struct FloatTraits<ringcoll::float16> {
  static constexpr int precision = 11, lowest = -14, highest = 15;
};
template <> struct FloatTraits<ringcoll::float8_e4m3> {
  static constexpr int precision = 4, lowest = -6, highest = 7;
};
template <> struct FloatTraits<ringcoll::float8_e5m2> {
  static constexpr int precision = 3, lowest = -14, highest = 15;
};

template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, double>) return value;
  else return T(static_cast<float>(value));
}

template <class T>
double to_double(T value) {
  if constexpr (std::is_arithmetic_v<T>) return static_cast<double>(value);
  else return static_cast<double>(static_cast<float>(value));
}

/// splitmix64's mixing function.
constexpr std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/// The scale that each rank gives to mulsum: 1 or 2, exact in every type.
constexpr double premul_scale(int rank) { return rank % 2 == 0 ? 1 : 2; }

/// A whole number such that those of all ranks have magnitudes that add up to `budget` at most.
constexpr std::int64_t share_of(std::int64_t budget, const Problem& problem, int rank, std::uint64_t element,
                                std::uint64_t own) {
  if (budget < problem.size) {
    const auto turn = (static_cast<std::uint64_t>(rank) + element) % static_cast<std::uint64_t>(problem.size);
    if (turn >= static_cast<std::uint64_t>(budget)) return 0;
    return (own & 1) != 0 ? 1 : -1;
  }
  const std::uint64_t most = static_cast<std::uint64_t>(budget / problem.size);
  return static_cast<std::int64_t>(own % (2 * most + 1)) - static_cast<std::int64_t>(most);
}

/// What `rank` puts in at `index`.
template <class T>
T input_at(const Problem& problem, int rank, std::size_t index) {
  using ringcoll::OpId;
  const std::uint64_t element = mixed(problem.seed ^ mixed(index));
  const std::uint64_t own = mixed(element + static_cast<std::uint64_t>(rank) * 0xd1342543de82ef95u);
  if constexpr (is_float<T>) {
    using Traits = FloatTraits<T>;
    constexpr int fraction = Traits::precision - 1;
    const double sign = (own >> 63) != 0 ? -1 : 1;
    const double mantissa =
        1 + static_cast<double>(own & ((std::uint64_t{1} << fraction) - 1)) / std::ldexp(1.0, fraction);
    const int scale = static_cast<int>(element >> 40 & 7) - 4;
    switch (problem.op) {
      case OpId::sum:
      case OpId::avg:
      case OpId::premul_sum: {
        const std::int64_t budget = (std::int64_t{1} << Traits::precision) / (problem.op == OpId::premul_sum ? 2 : 1);
        return from_double<T>(
            std::ldexp(static_cast<double>(share_of(budget, problem, rank, element, own >> 1)), scale));
      }
      case OpId::prod: {
        constexpr int range = -Traits::lowest < Traits::highest ? -Traits::lowest : Traits::highest - 1;
        const bool full = element % static_cast<std::uint64_t>(problem.size) == static_cast<std::uint64_t>(rank);
        const int exponent = static_cast<int>(share_of(range, problem, rank, element, own >> 32));
        return from_double<T>(sign * std::ldexp(full ? mantissa : 1.0, exponent));
      }
      default: return from_double<T>(sign * std::ldexp(mantissa, scale));
    }
  } else {
    switch (problem.op) {
      case OpId::prod: return static_cast<T>(own | 1);
      case OpId::avg: {
        constexpr std::int64_t most = static_cast<std::int64_t>(std::numeric_limits<std::make_signed_t<T>>::max());
        const std::int64_t share = share_of(most, problem, rank, element, own >> 1);
        return static_cast<T>(std::is_signed_v<T> || share >= 0 ? share : -share);
      }
      default: return static_cast<T>(own);
    }
  }
}

}  // namespace perf
