// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/op.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

using namespace ringcoll;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

struct Half {
  float operator()(float a, float b) const { return (a + b) / 2; }
};
struct Mutable {
  float operator()(float a, float b) { return a + b; }
};
struct Scaled {  // a user's op with both hooks
  int operator()(int a, int b) const { return a + b; }
  int prepare(int input) const { return 2 * input; }
  int finish(int total, int size) const { return total - size; }
};

}  // namespace

TEST_CASE("integer sums and products wrap around") {
  static_assert(sum{}(std::int8_t{127}, std::int8_t{1}) == -128);
  static_assert(sum{}(std::numeric_limits<int>::max(), 1) == std::numeric_limits<int>::min());
  static_assert(sum{}(std::numeric_limits<std::int64_t>::max(), std::int64_t{1}) ==
                std::numeric_limits<std::int64_t>::min());
  // Promoted to int, this product would overflow it.
  static_assert(prod{}(std::uint16_t{65535}, std::uint16_t{65535}) == 1);
  static_assert(prod{}(std::int8_t{-128}, std::int8_t{-1}) == -128);
  static_assert(prod{}(std::numeric_limits<int>::min(), -1) == std::numeric_limits<int>::min());
}

TEST_CASE("min and max let a NaN through from either side") {
  using Two = std::pair<float, float>;
  for (const auto& [a, b] : {Two{not_a_number, 1}, Two{1, not_a_number}, Two{not_a_number, not_a_number}}) {
    CHECK(std::isnan(ringcoll::min{}(a, b)));
    CHECK(std::isnan(ringcoll::max{}(a, b)));
  }
  CHECK(ringcoll::min{}(1.0f, 2.0f) == 1.0f);
  CHECK(ringcoll::max{}(1.0f, 2.0f) == 2.0f);
  CHECK(ringcoll::max{}(std::int8_t{-1}, std::int8_t{3}) == 3);
  CHECK(ringcoll::max{}(std::uint8_t{255}, std::uint8_t{3}) == 255);
}

TEST_CASE("avg divides once, and integers truncate") {
  static_assert(avg{}(3, 4) == 7);
  static_assert(avg{}.finish(7.0f, 2) == 3.5f);
  static_assert(avg{}.finish(-7, 2) == -3);
  static_assert(avg{}.finish(std::int8_t{100}, 200) == 0);  // 200 is no int8
  static_assert(avg{}.finish(std::int8_t{-128}, 128) == -1);
  static_assert(avg{}.finish(std::numeric_limits<std::uint64_t>::max(), 1) ==
                std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("premul_sum scales inputs, not sums") {
  static_assert(premul_sum{0.5}.prepare(3.0f) == 1.5f);
  static_assert(premul_sum{3}.prepare(std::int8_t{50}) == -106);  // wraps
  static_assert(premul_sum{-1}.prepare(std::uint32_t{1}) == 0xffffffffu);
  static_assert(premul_sum{7}(2, 3) == 5);
}

TEST_CASE("bitwise ops work on integers, bool and bytes, logical ops on integers and bool") {
  static_assert(bit_and{}(6, 3) == 2 && bit_or{}(6, 3) == 7 && bit_xor{}(6, 3) == 5);
  static_assert(bit_xor{}(std::byte{6}, std::byte{3}) == std::byte{5});
  static_assert(bit_xor{}(true, true) == false);
  static_assert(logical_and{}(6, 3) == 1 && logical_or{}(0, 3) == 1 && logical_xor{}(6, 3) == 0);
  static_assert(sum{}(true, true) == true && prod{}(true, false) == false);
}

TEST_CASE("an op is asked whether it fits the type") {
  static_assert(ReductionOf<sum, float> && ReductionOf<sum, float16> && ReductionOf<sum, std::complex<float>>);
  static_assert(ReductionOf<bit_or, long> && !ReductionOf<bit_or, float> && !ReductionOf<bit_or, float16>);
  static_assert(!ReductionOf<logical_and, double> && !ReductionOf<ringcoll::max, std::complex<float>>);
  static_assert(!ReductionOf<avg, bool> && !ReductionOf<sum, std::byte> && !ReductionOf<sum, int*>);
  static_assert(ReductionOf<Half, float> && ReductionOf<Half, bfloat16> && !ReductionOf<Half, std::complex<float>>);
  static_assert(!ReductionOf<Mutable, float>);
  const auto halves = [](float16 a, float16 b) { return static_cast<float>(a) < static_cast<float>(b) ? a : b; };
  static_assert(ReductionOf<decltype(halves), float16> && !ReductionOf<decltype(halves), bfloat16>);
}

TEST_CASE("only an op said to be ordered is not commutative") {
  const auto first = ordered{[](int a, int) { return a; }};
  CHECK(first(1, 2) == 1);
  static_assert(ReductionOf<decltype(first), int> && !ReductionOf<decltype(first), std::string>);
  static_assert(!is_commutative<decltype(first)> && is_commutative<sum> && is_commutative<Half>);
}

TEST_CASE("hooks are found where an op has them") {
  static_assert(has_prepare<premul_sum> && !has_prepare<sum> && !has_prepare<avg> && !has_prepare<Half>);
  static_assert(has_finish<avg> && !has_finish<sum> && !has_finish<premul_sum>);
  static_assert(has_prepare<Scaled, int> && has_finish<Scaled, int>);
}

TEST_CASE("each op has an id and the name that nccl-tests prints") {
  static_assert(op_id_of<sum> == OpId::sum && op_id_of<Half> == OpId::user && op_id_of<void> == OpId::absent);
  static_assert(op_id_of<const sum> == OpId::sum && op_id_of<ordered<sum>> == OpId::user);
  CHECK(name(op_id_of<premul_sum>) == std::string("mulsum"));
  CHECK(name(op_id_of<logical_xor>) == std::string("lxor"));
  CHECK(name(OpId::absent) == std::string("none"));
}
