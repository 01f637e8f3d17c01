// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/codec/kernels.hpp>

namespace ringcoll::inline v0::detail {

/// Elements in blocks, each with scales of its own: a codec of this kind says how one block is encoded, this says where
/// the blocks lie. On the wire all elements come first and all scales after them, so that the elements of a block start
/// where a cache line or a GPU's vector does.
///
/// `Block` has: `size`, a multiple of 32; `scales`, how many floats; `payload_bytes(count)`, for 0 <= count <= size;
/// `encode<simd, feedback>(in, error, count, payload, scale)` and `decode<simd>(payload, scale, count, out)`, which see
/// a whole block always: the last one is filled up with zeros, and `count` says how many of its elements are real.
///
/// One pass over memory, since a block stays in the first-level cache.
template <class Block>
struct BlockForm {
  static constexpr std::size_t block = Block::size;

  static constexpr std::size_t wire_bytes(std::size_t count, std::uint32_t) {
    return payload_bytes(count) + (count + block - 1) / block * Block::scales * sizeof(float);
  }

  template <Simd simd, bool feedback>
  [[gnu::always_inline]] static inline void encode(const CodecPart& part, const float* in, float* error) {
    std::byte* payload = part.wire + part.first / block * whole_payload;
    std::byte* scale = scales_of(part);
    std::size_t left = part.count;
    for (; left >= block; left -= block, in += block, payload += whole_payload, scale += scale_bytes) {
      Block::template encode<simd, feedback>(in, error, block, payload, scale);
      if constexpr (feedback) error += block;
    }
    if (left == 0) return;
    alignas(64) float last[block] = {}, last_error[block] = {};
    alignas(64) std::byte last_payload[whole_payload];
    std::memcpy(last, in, left * sizeof(float));
    if constexpr (feedback) std::memcpy(last_error, error, left * sizeof(float));
    Block::template encode<simd, feedback>(last, last_error, left, last_payload, scale);
    if constexpr (feedback) std::memcpy(error, last_error, left * sizeof(float));
    std::memcpy(payload, last_payload, Block::payload_bytes(left));
    const std::size_t end = part.piece / block * whole_payload + Block::payload_bytes(left);
    std::memset(part.wire + end, 0, payload_bytes(part.piece) - end);  // what no element needs is sent all the same
  }

  template <Simd simd>
  [[gnu::always_inline]] static inline void decode(const CodecPart& part, float* out) {
    const std::byte* payload = part.wire + part.first / block * whole_payload;
    const std::byte* scale = scales_of(part);
    std::size_t left = part.count;
    for (; left >= block; left -= block, out += block, payload += whole_payload, scale += scale_bytes)
      Block::template decode<simd>(payload, scale, block, out);
    if (left == 0) return;
    alignas(64) float last[block];
    alignas(64) std::byte last_payload[whole_payload] = {};
    std::memcpy(last_payload, payload, Block::payload_bytes(left));
    Block::template decode<simd>(last_payload, scale, left, last);
    std::memcpy(out, last, left * sizeof(float));
  }

 private:
  static constexpr std::size_t whole_payload = Block::payload_bytes(block), scale_bytes = Block::scales * sizeof(float);

  /// Of all elements; a multiple of 4.
  static constexpr std::size_t payload_bytes(std::size_t count) {
    return (count / block * whole_payload + Block::payload_bytes(count % block) + 3) / 4 * 4;
  }
  static std::byte* scales_of(const CodecPart& part) {
    return part.wire + payload_bytes(part.piece) + part.first / block * scale_bytes;
  }
};

}  // namespace ringcoll::inline v0::detail
