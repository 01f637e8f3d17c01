// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include <ringcoll/codec/kernels.hpp>
#include <ringcoll/fold.hpp>
#include <ringcoll/types.hpp>

namespace ringcoll::inline v0::detail {

#if RINGCOLL_X86
RINGCOLL_AVX2 inline void narrow_eight_halves(const float* from, std::byte* to) {
  using Halves [[gnu::vector_size(16)]] = short;
  using Floats [[gnu::vector_size(32)]] = float;
  Floats value;
  std::memcpy(&value, from, sizeof value);
  const Halves rounded = __builtin_ia32_vcvtps2ph256(value, 0);  // to nearest, ties to even
  std::memcpy(to, &rounded, sizeof rounded);
}
RINGCOLL_AVX2 inline void widen_eight_halves(const std::byte* from, float* to) {
  using Halves [[gnu::vector_size(16)]] = short;
  using Floats [[gnu::vector_size(32)]] = float;
  Halves value;
  std::memcpy(&value, from, sizeof value);
  const Floats wide = __builtin_ia32_vcvtph2ps256(value);
  std::memcpy(to, &wide, sizeof wide);
}
#endif

/// Each element becomes a T, rounded to nearest, ties to even. What T does with numbers too large for it is said at T:
/// infinity, or NaN where it has none. Nothing saturates, so that loss scalers see an overflow.
///
/// wire bytes count × sizeof(T) · encoding what was decoded gives the same wire bytes
template <class T>
struct ElementwiseForm {
  static constexpr std::size_t block = 1, group = 64;

  static constexpr std::size_t wire_bytes(std::size_t count, std::uint32_t) { return count * sizeof(T); }

  template <Simd simd, bool feedback>
  [[gnu::always_inline]] static inline void encode(const CodecPart& part, const float* in, float* error) {
    std::byte* wire = part.wire + part.first * sizeof(T);
    std::size_t left = part.count;
    for (; left >= group; left -= group, in += group, wire += group * sizeof(T)) {
      encode_group<simd, feedback>(in, error, wire);
      if constexpr (feedback) error += group;
    }
    if (left == 0) return;
    float last[group] = {}, last_error[group] = {};
    std::byte last_wire[group * sizeof(T)];
    std::memcpy(last, in, left * sizeof(float));
    if constexpr (feedback) std::memcpy(last_error, error, left * sizeof(float));
    encode_group<simd, feedback>(last, last_error, last_wire);
    if constexpr (feedback) std::memcpy(error, last_error, left * sizeof(float));
    std::memcpy(wire, last_wire, left * sizeof(T));
  }

  template <Simd simd>
  [[gnu::always_inline]] static inline void decode(const CodecPart& part, float* out) {
    const std::byte* wire = part.wire + part.first * sizeof(T);
    std::size_t left = part.count;
    for (; left >= group; left -= group, out += group, wire += group * sizeof(T)) widen<simd>(wire, out);
    if (left == 0) return;
    float last[group];
    std::byte last_wire[group * sizeof(T)] = {};
    std::memcpy(last_wire, wire, left * sizeof(T));
    widen<simd>(last_wire, last);
    std::memcpy(out, last, left * sizeof(float));
  }

 private:
  template <Simd simd, bool feedback>
  [[gnu::always_inline]] static inline void encode_group(const float* in, float* error, std::byte* wire) {
    if constexpr (!feedback) {
      narrow<simd>(in, wire);
    } else {
      alignas(64) float value[group], decoded[group];
      for (std::size_t i = 0; i < group; ++i) value[i] = in[i] + error[i];
      narrow<simd>(value, wire);
      widen<simd>(wire, decoded);
      for (std::size_t i = 0; i < group; ++i) {
        const float rest = value[i] - decoded[i];
        error[i] = std::bit_cast<float>(
            select(is_finite(rest), std::bit_cast<std::uint32_t>(rest), std::bit_cast<std::uint32_t>(error[i])));
      }
    }
  }

  static constexpr bool is_half = std::is_same_v<T, float16>;

  template <Simd simd>
  [[gnu::always_inline]] static inline void narrow(const float* from, std::byte* to) {
#if RINGCOLL_X86
    if constexpr (is_half && simd != Simd::baseline) {
      RINGCOLL_UNROLL
      for (std::size_t i = 0; i < group; i += 8) narrow_eight_halves(from + i, to + 2 * i);
      return;
    }
#endif
    narrow_block<T>(from, to);
  }
  template <Simd simd>
  [[gnu::always_inline]] static inline void widen(const std::byte* from, float* to) {
#if RINGCOLL_X86
    if constexpr (is_half && simd != Simd::baseline) {
      RINGCOLL_UNROLL
      for (std::size_t i = 0; i < group; i += 8) widen_eight_halves(from + 2 * i, to + i);
      return;
    }
#endif
    widen_block<T>(from, to);
  }
};

}  // namespace ringcoll::inline v0::detail
