// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include <ringcoll/detail/simd.hpp>
#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>

// The one loop of ringcoll that touches the data: every step of every collective is a call of a kernel.
//
// A kernel is plain loops, compiled once per instruction set (detail/simd.hpp). All give the same bits, except for
// which NaN a NaN is.

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"  // a user's op need not be one that vectorises
#endif

namespace ringcoll::inline v0::detail {

/// One call of the kernel: value = left op right (or a copy of left when right is null), stored to keep and to send.
struct Fold {
  const void* left;            ///< never null unless count is 0
  const void* right;           ///< may be null: nothing to combine
  void* keep;                  ///< may be null; may be equal to left or right (in place), never partly overlapping
  void* send;                  ///< may be null; never overlaps the others
  std::size_t count;           ///< elements
  bool prepare_left = false;   ///< left is a rank's own input: op.prepare applies
  bool prepare_right = false;  ///< right is a rank's own input: op.prepare applies
  bool finish = false;         ///< the value holds every contribution: op.finish(value, size) applies
  int size = 1;                ///< ranks, for finish
};

/// `op` points to the op that the kernel was made for; it is not looked at when nothing is combined.
using Kernel = void (*)(const void* op, const Fold&);

/// Bytes that are still in the first-level cache when they are read again.
constexpr std::size_t cached_bytes = 4096;

/// Elements may lie at any address, in memory that was never a T: a slot, a socket's buffer.
template <class T>
[[gnu::always_inline]] inline T load(const std::byte* from) {
  union Room {
    Room() {}  // and T need not have a default constructor
    T value;
  } room;
  std::memcpy(static_cast<void*>(&room), from, sizeof(T));
  return room.value;
}

/// Asks for the operands of a later block; past the end it does no harm. Where conversions make a loop long, the CPU
/// does not look far enough ahead by itself: bf16 sums of 64 MiB went from 2 to 6 GB/s (Xeon guest, AVX2).
template <std::size_t bytes>
[[gnu::always_inline]] inline void prefetch(const std::byte* left, const std::byte* right) {
  constexpr std::size_t ahead = 2048, line = 64;
  for (std::size_t at = ahead; at < ahead + bytes; at += line) {
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(left) + at));
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(right) + at));
  }
}

template <class T, class Op>
[[gnu::always_inline]] inline Accumulator<T> combine(const Op& op, Accumulator<T> left, Accumulator<T> right) {
  if constexpr (Combines<Op, Accumulator<T>>) return static_cast<Accumulator<T>>(op(left, right));
  else return static_cast<Accumulator<T>>(op(static_cast<T>(left), static_cast<T>(right)));
}

template <class T, std::size_t count, class Op>
[[gnu::always_inline]] inline void combine_block(const Op& op, const std::byte* left, const std::byte* right,
                                                 std::byte* out) {
  using A = Accumulator<T>;
  RINGCOLL_INDEPENDENT
  for (std::size_t i = 0; i < count * sizeof(T); i += sizeof(T)) {
    const A value = combine<T>(op, static_cast<A>(load<T>(left + i)), static_cast<A>(load<T>(right + i)));
    const T stored = static_cast<T>(value);
    std::memcpy(out + i, &stored, sizeof(T));
  }
}

#if RINGCOLL_X86
/// Half precision has instructions for what would be twenty others, and compilers do not find them by themselves.
template <class Op>
RINGCOLL_AVX2 inline void combine_eight_halves(const Op& op, const std::byte* left, const std::byte* right,
                                               std::byte* out) {
  using Halves [[gnu::vector_size(16)]] = short;
  using Floats [[gnu::vector_size(32)]] = float;
  Halves a, b;
  std::memcpy(&a, left, sizeof(a));
  std::memcpy(&b, right, sizeof(b));
  const Floats x = __builtin_ia32_vcvtph2ps256(a), y = __builtin_ia32_vcvtph2ps256(b);
  Floats value = x;
  for (int i = 0; i < 8; ++i) value[i] = combine<float16>(op, x[i], y[i]);
  a = __builtin_ia32_vcvtps2ph256(value, 0);  // to nearest, ties to even
  std::memcpy(out, &a, sizeof(a));
}
#endif

/// Conversions of a block of 64. They are long, so they are compiled once per type and not once per op.
template <class T>
[[gnu::always_inline]] inline void widen_block(const std::byte* from, float* to) {
  RINGCOLL_INDEPENDENT
  for (std::size_t i = 0; i < 64; ++i) to[i] = static_cast<float>(load<T>(from + i * sizeof(T)));
}
template <class T>
[[gnu::always_inline]] inline void narrow_block(const float* from, std::byte* to) {
  RINGCOLL_INDEPENDENT
  for (std::size_t i = 0; i < 64; ++i) {
    const T value = static_cast<T>(from[i]);
    std::memcpy(to + i * sizeof(T), &value, sizeof(T));
  }
}
template <class T, Simd simd>
struct Block {
  static void widen(const std::byte* from, float* to) { widen_block<T>(from, to); }
  static void narrow(const float* from, std::byte* to) { narrow_block<T>(from, to); }
};
#if RINGCOLL_X86
template <class T>
struct Block<T, Simd::avx2> {
  RINGCOLL_AVX2 [[gnu::noinline]] static void widen(const std::byte* from, float* to) { widen_block<T>(from, to); }
  RINGCOLL_AVX2 [[gnu::noinline]] static void narrow(const float* from, std::byte* to) { narrow_block<T>(from, to); }
};
template <class T>
struct Block<T, Simd::avx512> {
  RINGCOLL_AVX512 [[gnu::noinline]] static void widen(const std::byte* from, float* to) { widen_block<T>(from, to); }
  RINGCOLL_AVX512 [[gnu::noinline]] static void narrow(const float* from, std::byte* to) { narrow_block<T>(from, to); }
};
#endif

template <class T, Simd simd, class Op>
[[gnu::always_inline]] inline void combine_by_blocks(const Op& op, const std::byte* left, const std::byte* right,
                                                     std::byte* out, std::size_t count) {
  constexpr std::size_t bytes = 64 * sizeof(T);
  alignas(64) float x[64], y[64];
  for (; count >= 64; count -= 64, left += bytes, right += bytes, out += bytes) {
    prefetch<bytes>(left, right);
    Block<T, simd>::widen(left, x);
    Block<T, simd>::widen(right, y);
    for (std::size_t i = 0; i < 64; ++i) x[i] = combine<T>(op, x[i], y[i]);
    Block<T, simd>::narrow(x, out);
  }
  if (count == 0) return;
  std::byte rest[bytes] = {};
  std::memcpy(rest, left, count * sizeof(T));
  Block<T, simd>::widen(rest, x);
  std::memcpy(rest, right, count * sizeof(T));
  Block<T, simd>::widen(rest, y);
  for (std::size_t i = 0; i < count; ++i) x[i] = combine<T>(op, x[i], y[i]);
  Block<T, simd>::narrow(x, rest);
  std::memcpy(out, rest, count * sizeof(T));
}

/// out = left op right, in one instruction set. Elements of the operands are read before the same ones of out are
/// written.
template <class T, Simd simd, class Op>
[[gnu::always_inline]] inline void combine_all(const Op& op, const std::byte* left, const std::byte* right,
                                               std::byte* out, std::size_t count) {
  constexpr bool half = std::is_same_v<T, float16>, brain = std::is_same_v<T, bfloat16>;
  if constexpr (is_small_float<T> && !brain && !(half && simd != Simd::baseline)) {
    combine_by_blocks<T, simd>(op, left, right, out, count);
  } else {
    constexpr std::size_t one = sizeof(T), eight = 8 * one, block = 64 * one;
    const std::size_t end = count * one;
    std::size_t at = 0;
    if constexpr (half) {
      for (; at + eight <= end; at += eight) combine_eight_halves(op, left + at, right + at, out + at);
    } else {
      for (; at + block <= end; at += block) {
        if constexpr (brain) prefetch<block>(left + at, right + at);
        combine_block<T, 64>(op, left + at, right + at, out + at);
      }
      for (; at + eight <= end; at += eight) combine_block<T, 8>(op, left + at, right + at, out + at);
    }
    for (; at < end; at += one) combine_block<T, 1>(op, left + at, right + at, out + at);
  }
}

/// The ops that combine_all sees where prepare or finish apply.
template <class Op>
struct Prepared {  // of one operand; the other is ignored
  const Op& op;
  template <class A>
  [[gnu::always_inline]] A operator()(A input, A) const {
    return op.prepare(input);
  }
};
template <class T, class Op>
struct Finished {
  const Op& op;
  int size;
  template <class A>
  [[gnu::always_inline]] A operator()(A left, A right) const {
    return op.finish(combine<T>(op, left, right), size);
  }
};
template <class Op>
struct FinishedAlone {
  const Op& op;
  int size;
  template <class A>
  [[gnu::always_inline]] A operator()(A total, A) const {
    return op.finish(total, size);
  }
};

/// Copies left to both destinations.
inline void copy(const void* left, void* keep, void* send, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(left);
  auto* kept = keep == left ? nullptr : static_cast<std::byte*>(keep);
  auto* sent = static_cast<std::byte*>(send);
  if (bytes == 0) return;
  if (sent == nullptr || kept == nullptr) {
    if (kept != nullptr) std::memcpy(kept, from, bytes);
    if (sent != nullptr) std::memcpy(sent, from, bytes);
    return;
  }
  for (std::size_t at = 0; at < bytes; at += cached_bytes) {
    const std::size_t part = bytes - at < cached_bytes ? bytes - at : cached_bytes;
    std::memcpy(kept + at, from + at, part);
    std::memcpy(sent + at, from + at, part);
  }
}

/// The kernel, for one instruction set.
///
/// With two destinations, or with inputs to prepare, it goes by blocks that stay in the first-level cache: the value is
/// copied to `send` from there, which is as fast as storing it twice from the loop, and half the code. A prepared input
/// is rounded to T before it is combined, as it is when a rank sends it, so that every rank's input counts the same.
template <class T, Simd simd, class Op>
[[gnu::always_inline]] inline void fold_as(const Op& op, const Fold& fold) {
  constexpr bool can_prepare = has_prepare<Op, Accumulator<T>>, can_finish = has_finish<Op, Accumulator<T>>;
  constexpr std::size_t block = cached_bytes / sizeof(T) > 0 ? cached_bytes / sizeof(T) : 1;
  const bool prepares = can_prepare && (fold.prepare_left || (fold.right != nullptr && fold.prepare_right));
  const bool finishes = can_finish && fold.finish;
  if (fold.right == nullptr && !prepares && !finishes)
    return copy(fold.left, fold.keep, fold.send, fold.count * sizeof(T));

  auto* const out = static_cast<std::byte*>(fold.keep != nullptr ? fold.keep : fold.send);
  auto* const again = fold.keep != nullptr ? static_cast<std::byte*>(fold.send) : nullptr;
  if (out == nullptr) return;
  const std::size_t step = prepares || again != nullptr ? block : fold.count;
  for (std::size_t first = 0; first < fold.count; first += step) {
    const std::size_t at = first * sizeof(T), count = fold.count - first < step ? fold.count - first : step;
    const std::byte* left = static_cast<const std::byte*>(fold.left) + at;
    const std::byte* right = fold.right != nullptr ? static_cast<const std::byte*>(fold.right) + at : nullptr;
    constexpr std::size_t room = can_prepare ? block * sizeof(T) : 1;
    alignas(64) std::byte prepared_left[room], prepared_right[room];
    if constexpr (can_prepare) {
      for (const bool is_left : {true, false}) {
        const std::byte*& operand = is_left ? left : right;
        if (operand == nullptr || !(is_left ? fold.prepare_left : fold.prepare_right)) continue;
        std::byte* const to = is_left ? prepared_left : prepared_right;
        combine_all<T, simd>(Prepared<Op>{op}, operand, operand, to, count);
        operand = to;
      }
      // To the compiler the prepared inputs may change here: it cannot fuse the multiplication with an addition.
      asm volatile("" : : "r"(prepared_left), "r"(prepared_right) : "memory");
    }
    if constexpr (can_finish) {
      if (finishes && right == nullptr)
        combine_all<T, simd>(FinishedAlone<Op>{op, fold.size}, left, left, out + at, count);
      else if (finishes) combine_all<T, simd>(Finished<T, Op>{op, fold.size}, left, right, out + at, count);
    }
    if (!finishes && right != nullptr) combine_all<T, simd>(op, left, right, out + at, count);
    else if (!finishes) std::memcpy(out + at, left, count * sizeof(T));
    if (again != nullptr) std::memcpy(again + at, out + at, count * sizeof(T));
  }
}

template <class T, class Op>
RINGCOLL_ONE_LOOP void fold_baseline(const void* op, const Fold& fold) {
  fold_as<T, Simd::baseline>(*static_cast<const Op*>(op), fold);
}

#if RINGCOLL_X86
template <class T, class Op>
RINGCOLL_AVX2 RINGCOLL_ONE_LOOP void fold_avx2(const void* op, const Fold& fold) {
  fold_as<T, Simd::avx2>(*static_cast<const Op*>(op), fold);
}

template <class T, class Op>
RINGCOLL_AVX512 RINGCOLL_ONE_LOOP void fold_avx512(const void* op, const Fold& fold) {
  fold_as<T, Simd::avx512>(*static_cast<const Op*>(op), fold);
}
#endif

/// The kernel for an instruction set, or for the build's where there is no such variant.
template <class T, class Op>
Kernel kernel(Simd simd) {
  require_reduction<T, Op>();
  if constexpr (ReductionOf<Op, T>) {  // else the refusal above is the whole error message
#if RINGCOLL_X86
    if (simd == Simd::avx512) return fold_avx512<T, Op>;
    if (simd == Simd::avx2) return fold_avx2<T, Op>;
#endif
    return fold_baseline<T, Op>;
  } else {
    return nullptr;
  }
}

/// The best kernel for this CPU.
template <class T, class Op>
Kernel kernel() {
  return kernel<T, Op>(chosen_simd());
}

/// For collectives that combine nothing: `right` is null in each call. What T is matters only for its size.
template <class T>
Kernel copy_kernel() {
  return [](const void*, const Fold& fold) { copy(fold.left, fold.keep, fold.send, fold.count * sizeof(T)); };
}

}  // namespace ringcoll::inline v0::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
