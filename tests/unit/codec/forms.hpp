// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <ringcoll/codec/elementwise.hpp>
#include <ringcoll/codec/integer.hpp>
#include <ringcoll/codec/onebit.hpp>
#include <ringcoll/codec/topk.hpp>

// All codecs, in all instruction sets of this CPU, as tests see them.
namespace forms {

using namespace ringcoll::detail;

struct Subject {
  const char* name;
  std::size_t block;
  bool elementwise;
  CodecKernels (*kernels)(Simd);
  std::uint32_t setting = 0;
};

template <class Form>
constexpr Subject subject(const char* name, bool elementwise, std::uint32_t setting = 0) {
  return {name, Form::block, elementwise, codec_kernels<Form>, setting};
}

inline const std::vector<Subject>& all() {
  static const std::vector<Subject> subjects{
      subject<ElementwiseForm<ringcoll::float16>>("fp16", true),
      subject<ElementwiseForm<ringcoll::bfloat16>>("bf16", true),
      subject<ElementwiseForm<ringcoll::float8_e4m3>>("fp8_e4m3", true),
      subject<ElementwiseForm<ringcoll::float8_e5m2>>("fp8_e5m2", true),
      subject<BlockForm<IntegerBlock<8>>>("int8", false),
      subject<BlockForm<IntegerBlock<4>>>("int4", false),
      subject<BlockForm<OnebitBlock<Means::one>>>("onebit", false),
      subject<BlockForm<OnebitBlock<Means::two>>>("onebit_two_means", false),
      subject<TopkForm>("topk 41", false, 41),
      subject<TopkForm>("topk 1", false, 1),
      subject<TopkForm>("topk 1000", false, 1000),
      subject<TopkForm>("topk 4000, dense", false, 4000),
  };
  return subjects;
}

inline std::vector<Simd> simds() {
  std::vector<Simd> all{Simd::baseline};
  if (best_simd() >= Simd::avx2) all.push_back(Simd::avx2);
  if (best_simd() >= Simd::avx512) all.push_back(Simd::avx512);
  return all;
}

inline std::vector<std::byte> encode(const Subject& s, Simd simd, const std::vector<float>& in,
                                     std::vector<float>* error = nullptr) {
  const CodecKernels k = s.kernels(simd);
  std::vector<std::byte> wire(k.wire_bytes(in.size(), s.setting), std::byte{0xee});
  k.encode({wire.data(), in.size(), 0, in.size(), s.setting}, in.data(), error ? error->data() : nullptr);
  return wire;
}

inline std::vector<float> decode(const Subject& s, Simd simd, std::vector<std::byte> wire, std::size_t count) {
  std::vector<float> out(count, 77.f);
  s.kernels(simd).decode({wire.data(), count, 0, count, s.setting}, out.data());
  return out;
}

/// The same bits.
inline bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace forms
