// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>

#include <ringcoll/codec/kernels.hpp>

namespace ringcoll::inline v0::detail {

/// The elements of largest magnitude, as they are; the others are 0. Of each 4096 elements `setting` are kept, of fewer
/// a proportional part, at least one; equal magnitudes in the order of their places. A NaN counts as the largest of all
/// and an infinity comes next, so that neither gets lost among numbers.
///
/// What is not kept stays in the error as it is. An element that is not finite and not kept, since more of them are
/// than are kept, leaves the error what it was.
///
/// wire bytes 6 for each element kept, or the elements themselves where that is less
struct TopkForm {
  static constexpr std::size_t block = 4096;

  static constexpr std::size_t wire_bytes(std::size_t count, std::uint32_t setting) {
    return count / block * segment_bytes(block, setting) + segment_bytes(count % block, setting);
  }

  template <Simd, bool feedback>
  [[gnu::always_inline]] static inline void encode(const CodecPart& part, const float* in, float* error) {
    std::byte* wire = part.wire + part.first / block * segment_bytes(block, part.setting);
    for (std::size_t at = 0; at < part.count; at += block) {
      const std::size_t count = part.count - at < block ? part.count - at : block;
      encode_segment<feedback>(in + at, feedback ? error + at : nullptr, count, part.setting, wire);
      wire += segment_bytes(count, part.setting);
    }
  }

  template <Simd>
  [[gnu::always_inline]] static inline void decode(const CodecPart& part, float* out) {
    const std::byte* wire = part.wire + part.first / block * segment_bytes(block, part.setting);
    for (std::size_t at = 0; at < part.count; at += block) {
      const std::size_t count = part.count - at < block ? part.count - at : block;
      decode_segment(wire, count, part.setting, out + at);
      wire += segment_bytes(count, part.setting);
    }
  }

 private:
  static constexpr std::size_t entry_bytes = sizeof(std::uint16_t) + sizeof(float);

  static constexpr std::size_t kept(std::size_t count, std::uint32_t setting) {
    const std::size_t share = (count * setting + block - 1) / block;
    return share < count ? share : count;
  }
  static constexpr bool is_dense(std::size_t count, std::uint32_t setting) {
    return kept(count, setting) * entry_bytes >= count * sizeof(float);
  }
  static constexpr std::size_t segment_bytes(std::size_t count, std::uint32_t setting) {
    return is_dense(count, setting) ? count * sizeof(float) : kept(count, setting) * entry_bytes;
  }

  [[gnu::always_inline]] static inline std::uint32_t magnitude(float value) {
    return std::bit_cast<std::uint32_t>(value) & ~float_sign_bit;
  }

  template <bool feedback>
  [[gnu::always_inline]] static inline void encode_segment(const float* in, float* error, std::size_t count,
                                                           std::uint32_t setting, std::byte* wire) {
    alignas(64) float values[block];
    alignas(64) std::uint32_t magnitudes[block] = {};
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (feedback) values[i] = in[i] + error[i];
      else values[i] = in[i];
      magnitudes[i] = magnitude(values[i]);
    }
    if (is_dense(count, setting)) {
      std::memcpy(wire, values, count * sizeof(float));
      if constexpr (feedback)
        for (std::size_t i = 0; i < count; ++i) error[i] = is_finite(values[i]) ? 0 : error[i];
      return;
    }
    if constexpr (feedback)
      for (std::size_t i = 0; i < count; ++i) error[i] = is_finite(values[i]) ? values[i] : error[i];
    const Chosen chosen = choose(magnitudes, count, kept(count, setting));
    for (std::size_t i = 0; i < chosen.count; ++i) {
      const std::size_t at = chosen.places[i];
      std::memcpy(wire, &chosen.places[i], sizeof(std::uint16_t));
      std::memcpy(wire + sizeof(std::uint16_t), &values[at], sizeof(float));
      wire += entry_bytes;
      if constexpr (feedback) error[at] = is_finite(values[at]) ? 0 : error[at];
    }
  }

  static void decode_segment(const std::byte* wire, std::size_t count, std::uint32_t setting, float* out) {
    if (is_dense(count, setting)) return static_cast<void>(std::memcpy(out, wire, count * sizeof(float)));
    std::memset(out, 0, count * sizeof(float));
    for (std::size_t i = 0; i < kept(count, setting); ++i, wire += entry_bytes) {
      std::uint16_t at;
      std::memcpy(&at, wire, sizeof at);
      if (at < count) std::memcpy(out + at, wire + sizeof at, sizeof(float));  // a peer's bytes: believe no place
    }
  }

  struct Chosen {
    std::uint16_t places[block];
    std::size_t count;
  };

  /// The places of the `kept` largest, in ascending order.
  ///
  /// Whoever is among the largest of all is not below the kept-th largest of the columns' largest elements, which are
  /// far fewer: what is left above that bound is little more than what is sought.
  [[gnu::always_inline]] static inline Chosen choose(const std::uint32_t* magnitudes, std::size_t count,
                                                     std::size_t kept) {
    constexpr std::size_t columns = 512;
    std::uint32_t bound = 0;
    if (kept <= columns / 2) {
      alignas(64) std::uint32_t largest[columns] = {};
      for (std::size_t row = 0; row < block; row += columns)
        for (std::size_t i = 0; i < columns; ++i)
          largest[i] = magnitudes[row + i] > largest[i] ? magnitudes[row + i] : largest[i];
      std::nth_element(largest, largest + (kept - 1), largest + columns, std::greater<>());
      bound = largest[kept - 1];
    }
    Chosen chosen;
    std::size_t candidates = 0;
    for (std::size_t i = 0; i < count; ++i) {
      chosen.places[candidates] = static_cast<std::uint16_t>(i);
      candidates += magnitudes[i] >= bound;
    }
    alignas(64) std::uint32_t sorted[block];
    for (std::size_t i = 0; i < candidates; ++i) sorted[i] = magnitudes[chosen.places[i]];
    std::nth_element(sorted, sorted + (kept - 1), sorted + candidates, std::greater<>());
    const std::uint32_t least_kept = sorted[kept - 1];
    std::size_t equals = kept;  // how many of those that equal it are kept
    for (std::size_t i = 0; i < candidates; ++i) equals -= magnitudes[chosen.places[i]] > least_kept;
    chosen.count = 0;
    for (std::size_t i = 0; i < candidates; ++i) {
      const std::uint32_t one = magnitudes[chosen.places[i]];
      if (one < least_kept || (one == least_kept && equals == 0)) continue;
      equals -= one == least_kept;
      chosen.places[chosen.count++] = chosen.places[i];
    }
    return chosen;
  }
};

}  // namespace ringcoll::inline v0::detail
