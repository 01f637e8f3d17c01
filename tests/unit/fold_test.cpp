// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/fold.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

using namespace ringcoll;
using detail::Fold;
using detail::Kernel;
using detail::Simd;

namespace {

/// What a test needs to know about a type and an op, so that only this is multiplied by them.
struct Subject {
  std::size_t element;
  void (*fill)(std::byte*, std::size_t count, std::mt19937&);
  void (*reference)(const void* op, const Fold&, std::byte* out);       // one element after the other, no tricks
  bool (*same)(const std::byte*, const std::byte*, std::size_t count);  // the same bits, but any NaN equals any NaN
  std::vector<Kernel> kernels;                                          // one per instruction set of this CPU
  const void* op;
  bool hooks;
};

template <class T>
void fill(std::byte* to, std::size_t count, std::mt19937& random) {
  for (std::size_t i = 0; i < count; ++i) {
    std::array<std::byte, sizeof(T)> bytes;
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    if constexpr (std::is_same_v<T, bool>) bytes[0] &= std::byte{1};
    // Random bits are rarely numbers of like size: half of the floats are, so that sums cancel, round and stay finite.
    if constexpr (std::is_floating_point_v<Accumulator<T>>) {
      const T number = static_cast<T>(static_cast<float>(static_cast<int>(random() % 4001) - 2000) / 64);
      if (random() % 2 == 0) std::memcpy(&bytes, &number, sizeof(T));
    }
    std::memcpy(to + i * sizeof(T), &bytes, sizeof(T));
  }
}

template <class T, class Op>
void reference(const void* untyped, const Fold& fold, std::byte* out) {
  using A = Accumulator<T>;
  const Op& op = *static_cast<const Op*>(untyped);
  const auto operand = [&](const void* from, std::size_t i, [[maybe_unused]] bool prepare) {
    T element;
    std::memcpy(&element, static_cast<const std::byte*>(from) + i * sizeof(T), sizeof(T));
    if constexpr (has_prepare<Op, A>) {
      if (prepare) element = static_cast<T>(op.prepare(static_cast<A>(element)));
      asm volatile("" : : "r"(&element) : "memory");  // no fused multiply-add here either
    }
    return static_cast<A>(element);
  };
  for (std::size_t i = 0; i < fold.count; ++i) {
    A value = operand(fold.left, i, fold.prepare_left);
    if (fold.right != nullptr) value = detail::combine<T>(op, value, operand(fold.right, i, fold.prepare_right));
    if constexpr (has_finish<Op, A>)
      if (fold.finish) value = op.finish(value, fold.size);
    const T element = static_cast<T>(value);
    std::memcpy(out + i * sizeof(T), &element, sizeof(T));
  }
}

template <class T>
bool same(const std::byte* a, const std::byte* b, std::size_t count) {
  if (std::memcmp(a, b, count * sizeof(T)) == 0) return true;
  for (std::size_t i = 0; i < count * sizeof(T); i += sizeof(T)) {
    if (std::memcmp(a + i, b + i, sizeof(T)) == 0) continue;
    if constexpr (std::is_floating_point_v<Accumulator<T>>) {
      T x, y;
      std::memcpy(&x, a + i, sizeof(T));
      std::memcpy(&y, b + i, sizeof(T));
      if (x != x && y != y) continue;
    }
    return false;
  }
  return true;
}

template <class T, class Op>
Subject subject(const Op& op) {
  std::vector<Kernel> kernels;
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512})
    if (simd <= detail::best_simd()) kernels.push_back(detail::kernel<T, Op>(simd));
  constexpr bool hooks = has_prepare<Op, Accumulator<T>> || has_finish<Op, Accumulator<T>>;
  return {sizeof(T), fill<T>, reference<T, Op>, same<T>, kernels, &op, hooks};
}

/// A buffer that knows when somebody wrote outside of it, at an address that suits no type but bytes.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(2 * guard + bytes, canary) {}
  std::byte* data() { return bytes_.data() + guard; }
  bool intact() const {
    for (std::size_t i = 0; i < guard; ++i)
      if (bytes_[i] != canary || bytes_[bytes_.size() - 1 - i] != canary) return false;
    return true;
  }

 private:
  static constexpr std::size_t guard = 65;
  static constexpr std::byte canary{0xa5};
  std::vector<std::byte> bytes_;
};

enum class Keep { nowhere, over_left, over_right, elsewhere };

struct Case {
  std::size_t count;
  bool combine;
  Keep keep;
  bool send;
  int flags;  // prepare left 1, prepare right 2, finish 4
};

bool folds(const Subject& subject, Kernel kernel, const Case& c, std::mt19937& random) {
  const std::size_t bytes = c.count * subject.element;
  Guarded left(bytes), right(bytes), kept(bytes), sent(bytes);
  std::vector<std::byte> expected(bytes + 1);
  subject.fill(left.data(), c.count, random);
  subject.fill(right.data(), c.count, random);
  std::byte* const places[] = {nullptr, left.data(), right.data(), kept.data()};
  const Fold fold{.left = left.data(),
                  .right = c.combine ? right.data() : nullptr,
                  .keep = places[static_cast<int>(c.keep)],
                  .send = c.send ? sent.data() : nullptr,
                  .count = c.count,
                  .prepare_left = (c.flags & 1) != 0,
                  .prepare_right = (c.flags & 2) != 0,
                  .finish = (c.flags & 4) != 0,
                  .size = 3};
  subject.reference(subject.op, fold, expected.data());
  kernel(subject.op, fold);
  const auto right_at = [&](const void* place) {
    return place == nullptr || subject.same(static_cast<const std::byte*>(place), expected.data(), c.count);
  };
  return right_at(fold.keep) && right_at(fold.send) && left.intact() && right.intact() && kept.intact() &&
         sent.intact();
}

void folds_like_the_reference(const Subject& subject) {
  constexpr std::size_t counts[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1000, 4097};
  std::mt19937 random(1);
  int wrong = 0;
  for (const std::size_t count : counts)
    for (const bool combine : {false, true})
      for (const Keep keep : {Keep::nowhere, Keep::over_left, Keep::over_right, Keep::elsewhere})
        for (const bool send : {false, true})
          for (int flags = 0; flags < (subject.hooks ? 8 : 1); ++flags)
            for (const Kernel kernel : subject.kernels) {
              if (keep == Keep::over_right && !combine) continue;
              if (count > 100 && flags % 7 != 0) continue;  // the long ones take the time
              wrong += !folds(subject, kernel, {count, combine, keep, send, flags}, random);
            }
  CHECK(wrong == 0);
}

template <class T>
void numbers_fold_like_the_reference() {
  folds_like_the_reference(subject<T>(sum{}));
  folds_like_the_reference(subject<T>(prod{}));
  folds_like_the_reference(subject<T>(ringcoll::min{}));
  folds_like_the_reference(subject<T>(ringcoll::max{}));
  folds_like_the_reference(subject<T>(avg{}));
  folds_like_the_reference(subject<T>(premul_sum{1.25}));
}

template <class T>
void bits_fold_like_the_reference() {
  folds_like_the_reference(subject<T>(bit_and{}));
  folds_like_the_reference(subject<T>(bit_or{}));
  folds_like_the_reference(subject<T>(bit_xor{}));
  folds_like_the_reference(subject<T>(logical_and{}));
  folds_like_the_reference(subject<T>(logical_or{}));
  folds_like_the_reference(subject<T>(logical_xor{}));
}

struct Extreme {  // of the ranks' values, and who has it; not default-constructible
  Extreme(double v, int r) : value(v), rank(r), unused(0) {}
  double value;
  int rank, unused;
};

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("every kernel computes what one element at a time gives", T, every_kernel) {
  numbers_fold_like_the_reference<T>();
  if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) bits_fold_like_the_reference<T>();
}
TEST_CASE_TEMPLATE_INVOKE(every_kernel, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                          std::uint32_t, std::int64_t, std::uint64_t, float16, bfloat16, float8_e4m3, float8_e5m2,
                          float, double);

TEST_CASE("bool folds too") {
  folds_like_the_reference(subject<bool>(sum{}));
  folds_like_the_reference(subject<bool>(ringcoll::max{}));
  bits_fold_like_the_reference<bool>();
}

TEST_CASE("a user's op folds like a built-in one") {
  const float bias = 0.5f;
  folds_like_the_reference(subject<float>([bias](float a, float b) { return a < b ? a - bias : b; }));
  folds_like_the_reference(subject<bfloat16>([](auto a, auto b) { return a + b; }));
  folds_like_the_reference(subject<float16>([](float16 a, float16) { return a; }));
  folds_like_the_reference(subject<int>(ordered{[](int a, int b) { return a / 2 + b / 3; }}));
  folds_like_the_reference(subject<int>([](int a, int b) { return std::to_string(a).size() < 4 ? a : b; }));
  folds_like_the_reference(subject<std::complex<float>>(ordered{[](auto a, auto) { return a; }}));
}

#if !defined(__clang__) && !defined(__FMA__)  // there the reference itself may be fused
TEST_CASE("a user's op that multiplies and adds gives the same bits in every instruction set") {
  folds_like_the_reference(subject<float>([](float a, float b) { return 0.3f * a + b; }));
  folds_like_the_reference(subject<float16>([](float a, float b) { return 0.3f * a + b; }));
  folds_like_the_reference(subject<double>([](double a, double b) { return 0.3 * a + b; }));
}
#endif

TEST_CASE("a user's type needs no default constructor") {
  const auto larger = [](Extreme a, Extreme b) { return a.value < b.value ? b : a; };
  std::vector<Extreme> left, right;
  for (int i = 0; i < 100; ++i) left.emplace_back(i % 7, 0), right.emplace_back(i % 5, 1);
  const Kernel kernel = detail::kernel<Extreme, decltype(larger)>();
  kernel(&larger, {.left = left.data(), .right = right.data(), .keep = left.data(), .send = nullptr, .count = 100});
  for (int i = 0; i < 100; ++i) {
    CHECK(left[static_cast<std::size_t>(i)].value == std::max(i % 7, i % 5));
    CHECK(left[static_cast<std::size_t>(i)].rank == (i % 7 < i % 5));
  }
}

TEST_CASE("a copy reaches both destinations") {
  std::mt19937 random(2);
  for (const std::size_t count : {0u, 1u, 1000u, 5000u}) {
    std::vector<double> from(count, 1.5), keep(count), send(count);
    const Fold fold{.left = from.data(), .right = nullptr, .keep = keep.data(), .send = send.data(), .count = count};
    detail::copy_kernel<double>()(nullptr, fold);
    CHECK(keep == from);
    CHECK(send == from);
  }
}

TEST_CASE("the kernels in use are the best that the CPU runs, or what the environment asks for") {
  const char* wish = std::getenv("RINGCOLL_SIMD");
  const std::string used = detail::simd_name();
  if (wish == nullptr) CHECK(used == name(detail::best_simd()));
  CHECK((detail::kernel<float, sum>() == detail::kernel<float, sum>(detail::chosen_simd())));
  CHECK(detail::chosen_simd() <= detail::best_simd());
}
