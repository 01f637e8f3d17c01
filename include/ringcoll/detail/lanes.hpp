// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ringcoll/detail/simd.hpp>

// Vectors for the few loops that compilers do not find by themselves: bits packed out of signs, sums in a fixed order.
// The arithmetic is written once, with operators; only the width is the instruction set's. By reference, since how a
// vector is passed by value depends on the flags of the file.

namespace ringcoll::inline v0::detail {

template <Simd simd>
struct Lanes;

template <>
struct Lanes<Simd::baseline> {
  static constexpr std::size_t count = 4;
  using Floats [[gnu::vector_size(16)]] = float;
  using Ints [[gnu::vector_size(16)]] = std::int32_t;
  using Words [[gnu::vector_size(16)]] = std::uint32_t;
  using Chars [[gnu::vector_size(4)]] = std::int8_t;

  /// Bit i is the sign of element i.
  [[gnu::always_inline]] static inline std::uint32_t signs(const Floats& v) {
#if RINGCOLL_X86
    return static_cast<std::uint32_t>(__builtin_ia32_movmskps(v));
#else
    const Words bits = (Words)v >> 31;
    return bits[0] | bits[1] << 1 | bits[2] << 2 | bits[3] << 3;
#endif
  }
};

#if RINGCOLL_X86
template <>
struct Lanes<Simd::avx2> {
  static constexpr std::size_t count = 8;
  using Floats [[gnu::vector_size(32)]] = float;
  using Ints [[gnu::vector_size(32)]] = std::int32_t;
  using Words [[gnu::vector_size(32)]] = std::uint32_t;
  using Chars [[gnu::vector_size(8)]] = std::int8_t;

  RINGCOLL_AVX2 static inline std::uint32_t signs(const Floats& v) {
    return static_cast<std::uint32_t>(__builtin_ia32_movmskps256(v));
  }
};

template <>
struct Lanes<Simd::avx512> {
  static constexpr std::size_t count = 16;
  using Floats [[gnu::vector_size(64)]] = float;
  using Ints [[gnu::vector_size(64)]] = std::int32_t;
  using Words [[gnu::vector_size(64)]] = std::uint32_t;
  using Chars [[gnu::vector_size(16)]] = std::int8_t;

  RINGCOLL_AVX512 static inline std::uint32_t signs(const Floats& v) {
    using Signed [[gnu::vector_size(64)]] = int;
    return static_cast<std::uint16_t>(__builtin_ia32_cvtd2mask512((Signed)v));
  }
};
#endif

template <class Vector>
[[gnu::always_inline]] inline void load_lanes(Vector& to, const void* from) {
  std::memcpy(&to, from, sizeof to);
}
template <class Vector>
[[gnu::always_inline]] inline void store_lanes(void* to, const Vector& from) {
  std::memcpy(to, &from, sizeof from);
}

/// Thirty-two partial sums become one: lane i and i + 16, then i + 8, 4, 2, 1. On every instruction set, and on a GPU
/// whose 32 lanes exchange what they have in the same steps, so that all of them round alike.
[[gnu::always_inline]] inline float sum_of_lanes(float (&lanes)[32]) {
  for (int half = 16; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

}  // namespace ringcoll::inline v0::detail
