// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ringcoll/detail/bounds.hpp>
#include <ringcoll/detail/simd.hpp>

// What a codec is to the executor: three functions, one per instruction set of which the CPU picks, all with the same
// bits. A `Form` is the codec itself, a struct of static functions; this header makes kernels of it.

namespace ringcoll::inline v0::detail {

/// Some elements of a piece, and where the wire form of the whole piece lies. A codec may keep what belongs to blocks
/// apart from what belongs to elements, so a part is found only from the beginning of its piece.
struct CodecPart {
  std::byte* wire;            ///< of the whole piece, at any address; only encode writes to it
  std::size_t piece;          ///< elements of the piece
  std::size_t first;          ///< of this part in the piece, a multiple of the codec's block
  std::size_t count;          ///< of this part: whole blocks, or up to the end of the piece
  std::uint32_t setting = 0;  ///< what a codec leaves to its user: elements that topk keeps
};

/// A codec for one instruction set.
struct CodecKernels {
  /// Bytes of `count` elements on the wire: always so many, whatever the elements are.
  std::size_t (*wire_bytes)(std::size_t count, std::uint32_t setting);
  /// With `error`, the part's elements are in + error, and error becomes what of them the wire form does not say: it
  /// stays what it was where that is not finite. One pass over memory.
  void (*encode)(const CodecPart& part, const float* in, float* error);
  void (*decode)(const CodecPart& part, float* out);
};

template <class Form, Simd simd>
[[gnu::always_inline]] inline void encode_as(const CodecPart& part, const float* in, float* error) {
  if (error != nullptr) Form::template encode<simd, true>(part, in, error);
  else Form::template encode<simd, false>(part, in, nullptr);
}

template <class Form>
RINGCOLL_ONE_LOOP void encode_baseline(const CodecPart& part, const float* in, float* error) {
  encode_as<Form, Simd::baseline>(part, in, error);
}
template <class Form>
RINGCOLL_ONE_LOOP void decode_baseline(const CodecPart& part, float* out) {
  Form::template decode<Simd::baseline>(part, out);
}
#if RINGCOLL_X86
template <class Form>
RINGCOLL_AVX2 RINGCOLL_ONE_LOOP void encode_avx2(const CodecPart& part, const float* in, float* error) {
  encode_as<Form, Simd::avx2>(part, in, error);
}
template <class Form>
RINGCOLL_AVX2 RINGCOLL_ONE_LOOP void decode_avx2(const CodecPart& part, float* out) {
  Form::template decode<Simd::avx2>(part, out);
}
template <class Form>
RINGCOLL_AVX512 RINGCOLL_ONE_LOOP void encode_avx512(const CodecPart& part, const float* in, float* error) {
  encode_as<Form, Simd::avx512>(part, in, error);
}
template <class Form>
RINGCOLL_AVX512 RINGCOLL_ONE_LOOP void decode_avx512(const CodecPart& part, float* out) {
  Form::template decode<Simd::avx512>(part, out);
}
#endif

/// The kernels for an instruction set, or for the build's where there is no such variant.
template <class Form>
CodecKernels codec_kernels(Simd simd) {
#if RINGCOLL_X86
  if (simd == Simd::avx512) return {Form::wire_bytes, encode_avx512<Form>, decode_avx512<Form>};
  if (simd == Simd::avx2) return {Form::wire_bytes, encode_avx2<Form>, decode_avx2<Form>};
#endif
  static_cast<void>(simd);
  return {Form::wire_bytes, encode_baseline<Form>, decode_baseline<Form>};
}

constexpr std::uint32_t float_sign_bit = 0x80000000, float_infinity_bits = 0x7f800000, float_nan_bits = 0x7fc00000;

[[gnu::always_inline]] inline bool is_finite(float value) {
  return (std::bit_cast<std::uint32_t>(value) & ~float_sign_bit) < float_infinity_bits;
}

}  // namespace ringcoll::inline v0::detail
