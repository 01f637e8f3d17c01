// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/codec/block.hpp>
#include <ringcoll/detail/lanes.hpp>

namespace ringcoll::inline v0::detail {

/// The block scales of the integer codecs: elements are `q × scale`, with q in -largest … largest.
///
/// A block with a NaN or an infinity has the sign bit of its scale set. Then ±largest stand for the infinities and
/// -largest-1 for NaN, and the finite elements share the codes between: each is delivered as what it is.
template <int largest>
struct IntegerScale {
  float scale, inverse;

  /// For a largest finite magnitude of `peak`. Of blocks below 2^-100 nothing is sent: 1 / scale would overflow.
  [[gnu::always_inline]] static inline IntegerScale of(float peak, int codes = largest) {
    constexpr float most = 0x1.fffff8p127f;  // a little below what a float can hold, so that codes × scale is finite
    if (peak < 0x1p-100f) return {0, 0};
    const float levels = static_cast<float>(codes);
    return {(peak < most ? peak : most) / levels, levels / peak};
  }

  /// Adding it leaves the nearest integer in the lowest bits.
  static constexpr float magic = 0x1.8p23f;

  /// A block with something in it that is not finite: rare, so in the plainest way.
  [[gnu::cold, gnu::noinline]] static float quantise_rare(const float* values, float* error, std::size_t count,
                                                          std::int8_t* codes) {
    RINGCOLL_TWO_ROUNDINGS
    float peak = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const float magnitude = values[i] < 0 ? -values[i] : values[i];
      if (is_finite(magnitude) && magnitude > peak) peak = magnitude;
    }
    const IntegerScale by = of(peak, largest - 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (values[i] != values[i]) {
        codes[i] = -largest - 1;
      } else if (!is_finite(values[i])) {
        codes[i] = static_cast<std::int8_t>(values[i] > 0 ? largest : -largest);
      } else {
        const float rounded = by.round(values[i]);
        codes[i] = static_cast<std::int8_t>(rounded);
        if (error != nullptr) error[i] = values[i] - by.product(rounded);
      }
    }
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(by.scale) | float_sign_bit);
  }
  [[gnu::cold, gnu::noinline]] static void restore_rare(float scale, const std::int8_t* codes, std::size_t count,
                                                        float* out) {
    constexpr float infinity = std::bit_cast<float>(float_infinity_bits), nan = std::bit_cast<float>(float_nan_bits);
    for (std::size_t i = 0; i < count; ++i)
      out[i] = codes[i] == largest    ? infinity
               : codes[i] == -largest ? -infinity
               : codes[i] < -largest  ? nan
                                      : static_cast<float>(codes[i]) * -scale;
  }

 private:
  // The compiler must not see through them: a product must not become part of an addition.
  [[gnu::noinline]] float product(float rounded) const { return rounded * scale; }
  [[gnu::noinline]] float times_inverse(float value) const { return value * inverse; }
  float round(float value) const { return times_inverse(value) + magic - magic; }
};

/// Integers of 8 or 4 bits, a block's largest magnitude being 127 or 7. Rounds to nearest, ties to even.
///
/// Four bits: a byte holds elements i (low) and i + 16 of its 32.
///
/// wire bytes count (or count / 2), and 4 for each 256 elements: 3.9 or 7.8 times less than floats
template <int bits>
struct IntegerBlock {
  static_assert(bits == 8 || bits == 4);
  static constexpr std::size_t size = 256, scales = 1;
  static constexpr int largest = bits == 8 ? 127 : 7;
  using Scale = IntegerScale<largest>;

  static constexpr std::size_t payload_bytes(std::size_t count) { return bits == 8 ? count : (count + 31) / 32 * 16; }

  template <Simd simd, bool feedback>
  [[gnu::always_inline]] static inline void encode(const float* in, float* error, std::size_t count, std::byte* payload,
                                                   std::byte* scale) {
    RINGCOLL_TWO_ROUNDINGS
    using L = Lanes<simd>;
    using Floats = typename L::Floats;
    using Ints = typename L::Ints;
    using Chars = typename L::Chars;
    constexpr std::size_t width = L::count, vectors = 16 / width;
    alignas(64) float values[feedback ? size : 1];
    Ints most[vectors] = {};
    for (std::size_t at = 0; at < size; at += 16) {
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
        const Ints magnitude = (Ints)value & 0x7fffffff;
        most[j] = magnitude > most[j] ? magnitude : most[j];
      }
    }
    const float* const from = feedback ? values : in;
    const std::uint32_t peak = peak_of<vectors, Ints>(most);
    alignas(64) std::int8_t codes[size];
    Scale by{};
    if (peak >= float_infinity_bits) {
      by.scale = Scale::quantise_rare(from, error, size, codes);
    } else {
      by = Scale::of(std::bit_cast<float>(peak));
      for (std::size_t at = 0; at < size; at += width) {
        Floats value;
        load_lanes(value, from + at);
        const Floats scaled = value * by.inverse;
        const Floats rounded = scaled + Scale::magic;
        const Chars narrow = __builtin_convertvector((Ints)rounded - std::bit_cast<std::int32_t>(Scale::magic), Chars);
        store_lanes(codes + at, narrow);
        if constexpr (feedback) {
          const Floats decoded = (rounded - Scale::magic) * by.scale;
          store_lanes(error + at, value - decoded);
        }
      }
    }
    std::memcpy(scale, &by.scale, sizeof(float));
    pack(codes, payload);
    static_cast<void>(count);
  }

  template <Simd simd>
  [[gnu::always_inline]] static inline void decode(const std::byte* payload, const std::byte* scale, std::size_t,
                                                   float* out) {
    using L = Lanes<simd>;
    using Floats = typename L::Floats;
    using Chars = typename L::Chars;
    constexpr std::size_t width = L::count;
    alignas(64) std::int8_t room[bits == 8 ? 1 : size];
    const auto* codes = reinterpret_cast<const std::int8_t*>(payload);
    if constexpr (bits == 4) {
      unpack(payload, room);
      codes = room;
    }
    float by;
    std::memcpy(&by, scale, sizeof by);
    if (std::bit_cast<std::uint32_t>(by) & float_sign_bit) return Scale::restore_rare(by, codes, size, out);
    for (std::size_t at = 0; at < size; at += width) {
      Chars narrow;
      load_lanes(narrow, codes + at);
      const Floats value = __builtin_convertvector(narrow, Floats);
      store_lanes(out + at, value * by);
    }
  }

 private:
  template <std::size_t vectors, class Ints>
  [[gnu::always_inline]] static inline std::uint32_t peak_of(const Ints (&most)[vectors]) {
    std::uint32_t lanes[16];
    std::memcpy(lanes, most, sizeof lanes);
    std::uint32_t peak = 0;
    for (std::uint32_t lane : lanes) peak = lane > peak ? lane : peak;
    return peak;
  }

  [[gnu::always_inline]] static inline void pack(const std::int8_t* codes, std::byte* payload) {
    if constexpr (bits == 8) {
      std::memcpy(payload, codes, size);
    } else {
      for (std::size_t at = 0; at < size; at += 32)
        for (std::size_t i = 0; i < 16; ++i)
          payload[at / 2 + i] = static_cast<std::byte>((codes[at + i] & 15) | (codes[at + 16 + i] & 15) << 4);
    }
  }
  [[gnu::always_inline]] static inline void unpack(const std::byte* payload, std::int8_t* codes) {
    for (std::size_t at = 0; at < size; at += 32)
      for (std::size_t i = 0; i < 16; ++i) {
        const auto both = std::to_integer<std::uint8_t>(payload[at / 2 + i]);
        codes[at + i] = static_cast<std::int8_t>(static_cast<std::int8_t>(both << 4) >> 4);
        codes[at + 16 + i] = static_cast<std::int8_t>(static_cast<std::int8_t>(both) >> 4);
      }
  }
};

}  // namespace ringcoll::inline v0::detail
