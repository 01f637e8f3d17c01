// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

// Which instructions loops over data are compiled for, and which of them run.
//
// A loop is compiled up to three times whatever the compiler's flags are: for the build's instruction set, for AVX2 and
// for AVX-512; the CPU says which one runs. Inner loops have a fixed number of turns, since g++ -O2 vectorises only
// those.

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#define RINGCOLL_X86 1
#else
#define RINGCOLL_X86 0
#endif

#define RINGCOLL_AVX2 [[gnu::target("avx2,f16c")]]
#define RINGCOLL_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,f16c")]]

// Everything, the user's op too, becomes part of one loop in its instruction set. A multiplication and an addition stay
// two roundings there, so that the CPU does not change the result. (For that from clang, give it -ffp-contract=off.)
#if defined(__clang__)
#define RINGCOLL_ONE_LOOP [[gnu::flatten]]
#elif defined(__GNUC__)
#define RINGCOLL_ONE_LOOP [[gnu::flatten, gnu::optimize("fp-contract=off")]]
#else
#define RINGCOLL_ONE_LOOP
#endif

// Elements are independent: an output may be an input, but then each turn of the loop reads what it writes.
#if defined(__clang__)
#define RINGCOLL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define RINGCOLL_INDEPENDENT _Pragma("GCC ivdep")
#else
#define RINGCOLL_INDEPENDENT
#endif

// Loops over a handful of vectors, which are to become registers.
#if defined(__clang__)
#define RINGCOLL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define RINGCOLL_UNROLL _Pragma("GCC unroll 16")
#else
#define RINGCOLL_UNROLL
#endif

// At the head of a body in which clang is to round each product before it adds; RINGCOLL_ONE_LOOP tells g++.
#if defined(__clang__)
#define RINGCOLL_TWO_ROUNDINGS _Pragma("clang fp contract(off)")
#else
#define RINGCOLL_TWO_ROUNDINGS
#endif

namespace ringcoll::inline v0::detail {

enum class Simd : std::uint8_t { baseline, avx2, avx512 };

constexpr const char* name(Simd simd) {
  switch (simd) {
    case Simd::baseline: return "baseline";
    case Simd::avx2: return "avx2";
    case Simd::avx512: return "avx512";
  }
  return "unknown";
}

/// The most that this CPU can run.
inline Simd best_simd() {
#if RINGCOLL_X86
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;  // clang cannot name it
  if (!f16c || !__builtin_cpu_supports("avx2")) return Simd::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? Simd::avx512 : Simd::avx2;
#else
  return Simd::baseline;
#endif
}

/// What the kernels of this process use: the best, or less where RINGCOLL_SIMD=baseline or avx2 says so.
inline Simd chosen_simd() {
  static const Simd chosen = [] {
    const char* wish = std::getenv("RINGCOLL_SIMD");
    const Simd best = best_simd();
    if (wish == nullptr || best == Simd::baseline) return best;
    if (std::strcmp(wish, "baseline") == 0) return Simd::baseline;
    return std::strcmp(wish, "avx2") == 0 ? Simd::avx2 : best;
  }();
  return chosen;
}

/// For diagnostics: "baseline", "avx2" or "avx512".
inline const char* simd_name() { return name(chosen_simd()); }

}  // namespace ringcoll::inline v0::detail
