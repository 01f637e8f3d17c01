// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/codec/block.hpp>
#include <ringcoll/detail/lanes.hpp>

namespace ringcoll::inline v0::detail {

/// How the two values that a bit may stand for come out of a block.
enum class Means : std::uint8_t {
  one,  ///< plus and minus the mean of the magnitudes (Bernstein 2018, Karimireddy 2019)
  two   ///< the mean of what is not negative, and the mean of what is (Seide 2014)
};

/// One bit an element: its sign. A block has one or two means for scales.
///
/// A block that holds a NaN, or an infinity, or whose magnitudes add up to more than a float can hold, is delivered
/// with the mean that then results, NaN or infinity, in place of all of its elements of that sign (of all elements,
/// with one mean); its error stays what it was. Sums run over 32 lanes, see sum_of_lanes.
///
/// wire bytes count / 8, and 4 or 8 for each 512 elements: 30 or 28 times less than floats
template <Means means>
struct OnebitBlock {
  static constexpr std::size_t size = 512, scales = means == Means::one ? 1 : 2;

  static constexpr std::size_t payload_bytes(std::size_t count) { return (count + 7) / 8; }

  template <Simd simd, bool feedback>
  [[gnu::always_inline]] static inline void encode(const float* in, float* error, std::size_t count, std::byte* payload,
                                                   std::byte* scale) {
    using L = Lanes<simd>;
    using Floats = typename L::Floats;
    using Words = typename L::Words;
    using Ints = typename L::Ints;
    constexpr std::size_t width = L::count, vectors = 32 / width;
    alignas(64) float values[feedback ? size : 1];
    Floats high[vectors] = {}, low[vectors] = {};
    std::size_t negative = 0;
    for (std::size_t at = 0; at < size; at += 32) {
      std::uint32_t signs = 0;
      RINGCOLL_UNROLL
      for (std::size_t j = 0; j < vectors; ++j) {
        Floats value;
        load_lanes(value, in + at + j * width);
        if constexpr (feedback) {
          Floats rest;
          load_lanes(rest, error + at + j * width);
          value = value + rest;
          store_lanes(values + at + j * width, value);
        }
        signs |= L::signs(value) << (j * width);
        if constexpr (means == Means::one) {
          high[j] = high[j] + (Floats)((Words)value & ~float_sign_bit);
        } else {
          const Words is_negative = (Words)((Ints)value >> 31);
          high[j] = high[j] + (Floats)((Words)value & ~is_negative);
          low[j] = low[j] + (Floats)((Words)value & is_negative);
        }
      }
      std::memcpy(payload + at / 8, &signs, sizeof signs);
      if constexpr (means == Means::two) negative += static_cast<std::size_t>(std::popcount(signs));
    }
    const std::size_t not_negative = means == Means::two ? count - negative : count;
    const Pair pair = means == Means::two
                          ? Pair{mean<vectors, Floats>(low, negative), mean<vectors, Floats>(high, not_negative)}
                          : symmetric(mean<vectors, Floats>(high, count));
    std::memcpy(scale, &pair.high, sizeof(float));
    if constexpr (means == Means::two) std::memcpy(scale + sizeof(float), &pair.low, sizeof(float));
    if constexpr (feedback) {
      if (!is_finite(pair.low) || !is_finite(pair.high)) return;
      for (std::size_t at = 0; at < size; at += width) {
        Floats value;
        load_lanes(value, values + at);
        const Words is_negative = (Words)((Ints)value >> 31);
        Floats decoded;
        pick(decoded, is_negative, pair);
        store_lanes(error + at, value - decoded);
      }
    }
  }

  template <Simd simd>
  [[gnu::always_inline]] static inline void decode(const std::byte* payload, const std::byte* scale, std::size_t,
                                                   float* out) {
    using L = Lanes<simd>;
    using Floats = typename L::Floats;
    using Words = typename L::Words;
    using Ints = typename L::Ints;
    constexpr std::size_t width = L::count;
    Pair pair{};
    std::memcpy(&pair.high, scale, sizeof(float));
    if constexpr (means == Means::two) std::memcpy(&pair.low, scale + sizeof(float), sizeof(float));
    else pair = symmetric(pair.high);
    Words to_sign;  // how far left the bit of lane i is from the sign
    for (std::size_t i = 0; i < width; ++i) to_sign[i] = static_cast<std::uint32_t>(31 - i);
    for (std::size_t at = 0; at < size; at += 32) {
      std::uint32_t signs;
      std::memcpy(&signs, payload + at / 8, sizeof signs);
      RINGCOLL_UNROLL
      for (std::size_t j = 0; j < 32 / width; ++j) {
        const Words spread = (Words{} + (signs >> (j * width))) << to_sign;
        Floats decoded;
        pick(decoded, (Words)((Ints)spread >> 31), pair);
        store_lanes(out + at + j * width, decoded);
      }
    }
  }

 private:
  struct Pair {
    float low, high;
  };

  static Pair symmetric(float mean) {
    return {std::bit_cast<float>(std::bit_cast<std::uint32_t>(mean) ^ float_sign_bit), mean};
  }

  template <class Floats, class Words>
  [[gnu::always_inline]] static inline void pick(Floats& to, const Words& is_negative, const Pair& pair) {
    const std::uint32_t low = std::bit_cast<std::uint32_t>(pair.low), high = std::bit_cast<std::uint32_t>(pair.high);
    to = (Floats)((is_negative & low) | (~is_negative & high));
  }

  /// 0 of nothing. Which NaN a NaN is would depend on the instruction set, so there is one.
  template <std::size_t vectors, class Floats>
  [[gnu::always_inline]] static inline float mean(const Floats (&sums)[vectors], std::size_t count) {
    if (count == 0) return 0;
    float lanes[32];
    std::memcpy(lanes, sums, sizeof lanes);
    const float result = sum_of_lanes(lanes) / static_cast<float>(count);
    return result != result ? std::bit_cast<float>(float_nan_bits) : result;
  }
};

}  // namespace ringcoll::inline v0::detail
