// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/types.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace ringcoll;

namespace {

/// A narrow float format in the words of its standard, and conversions in the plainest way: the value of a code is
/// sign * mantissa * 2^exponent in double, and a number rounds to the nearest value in the list of them all.
template <class T>
struct Oracle {
  int exponent_bits, mantissa_bits;
  bool ieee;  // the largest exponent means infinity and NaN; else only the largest code is NaN

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  unsigned codes() const { return 1u << (exponent_bits + mantissa_bits); }  // without the sign
  unsigned first_non_finite() const { return ieee ? codes() - (1u << mantissa_bits) : codes() - 1; }
  bool is_nan(unsigned code) const { return code > first_non_finite() || (!ieee && code == codes() - 1); }

  double value(unsigned code) const {
    const int exponent = static_cast<int>(code >> mantissa_bits);
    const double fraction = std::ldexp(code & ((1u << mantissa_bits) - 1), -mantissa_bits);
    return exponent == 0 ? std::ldexp(fraction, 1 - bias()) : std::ldexp(1 + fraction, exponent - bias());
  }

  std::vector<double> values() const {  // the first too large is there: numbers that would round to it overflow
    std::vector<double> all;
    for (unsigned code = 0; code <= first_non_finite(); ++code) all.push_back(value(code));
    return all;
  }

  unsigned nearest(double magnitude, const std::vector<double>& all) const {
    const auto above = std::lower_bound(all.begin(), all.end(), magnitude);
    if (above == all.end()) return first_non_finite();
    if (above == all.begin()) return 0;
    const auto code = static_cast<unsigned>(above - all.begin());
    const double up = *above - magnitude, down = magnitude - *(above - 1);
    return up < down || (up == down && code % 2 == 0) ? code : code - 1;
  }
};

constexpr Oracle<float16> half{5, 10, true};
constexpr Oracle<bfloat16> brain{8, 7, true};
constexpr Oracle<float8_e4m3> e4m3{4, 3, false};
constexpr Oracle<float8_e5m2> e5m2{5, 2, true};

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

template <class T>
void every_code_decodes(const Oracle<T>& oracle) {
  int wrong = 0;
  for (unsigned code = 0; code < oracle.codes(); ++code) {
    for (const double sign : {1.0, -1.0}) {
      const auto bits = static_cast<typename T::Bits>(sign < 0 ? code | oracle.codes() : code);
      const auto value = static_cast<float>(T::from_bits(bits));
      if (oracle.is_nan(code)) wrong += !(std::isnan(value) && std::signbit(value) == (sign < 0));
      else if (code == oracle.first_non_finite()) wrong += value != sign * std::numeric_limits<double>::infinity();
      else wrong += bits_of(value) != bits_of(static_cast<float>(sign * oracle.value(code)));
    }
  }
  CHECK(wrong == 0);
}

template <class T>
void every_code_survives_a_round_trip(const Oracle<T>& oracle) {
  int wrong = 0;
  for (unsigned code = 0; code < 2 * oracle.codes(); ++code) {
    const T before = T::from_bits(static_cast<typename T::Bits>(code));
    const T after(static_cast<float>(before));
    const bool nan = oracle.is_nan(code % oracle.codes());
    wrong += nan ? !std::isnan(static_cast<float>(after)) : after.bits != before.bits;
  }
  CHECK(wrong == 0);
}

template <class T>
void floats_round_to_nearest(const Oracle<T>& oracle) {
  const std::vector<double> all = oracle.values();
  int wrong = 0;
  const auto check = [&](float magnitude) {
    if (!(magnitude >= 0) || std::isinf(magnitude)) return;
    const unsigned expected = oracle.nearest(magnitude, all);
    wrong += T(magnitude).bits != expected;
    wrong += T(-magnitude).bits != (expected | oracle.codes());
  };
  for (std::size_t code = 0; code + 1 < all.size(); ++code) {
    const auto middle = static_cast<float>((all[code] + all[code + 1]) / 2);  // exact: a float has the bits to spare
    for (const float value : {static_cast<float>(all[code]), middle}) {
      check(value);
      check(std::nextafter(value, 0.0f));
      check(std::nextafter(value, 1e38f));
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 200000; ++i) check(std::bit_cast<float>(static_cast<std::uint32_t>(random() >> 1)));
  CHECK(wrong == 0);

  for (const float nan : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::signaling_NaN(),
                          std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0x7fffffffu)}) {
    CHECK(oracle.is_nan(T(nan).bits));
    CHECK(oracle.is_nan(T(-nan).bits & (oracle.codes() - 1)));
  }
}

enum class Color : std::uint16_t { red };
struct Pair {
  int rank;
  double value;
};

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("a narrow float", T, narrow_float) {
  const auto oracle = [] {
    if constexpr (std::is_same_v<T, float16>) return half;
    else if constexpr (std::is_same_v<T, bfloat16>) return brain;
    else if constexpr (std::is_same_v<T, float8_e4m3>) return e4m3;
    else return e5m2;
  }();
  SUBCASE("decodes every code to its value") { every_code_decodes(oracle); }
  SUBCASE("survives a round trip through float") { every_code_survives_a_round_trip(oracle); }
  SUBCASE("takes the nearest value to a float, the even one at ties") { floats_round_to_nearest(oracle); }
}
TEST_CASE_TEMPLATE_INVOKE(narrow_float, float16, bfloat16, float8_e4m3, float8_e5m2);

TEST_CASE("numbers too large overflow as torch's types do") {
  CHECK(float16(65519.0f).bits == 0x7bff);
  CHECK(float16(65520.0f).bits == 0x7c00);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(float8_e4m3(464.0f).bits == 0x7e);  // halfway from 448, which is even
  CHECK(float8_e4m3(465.0f).bits == 0x7f);
  CHECK(float8_e4m3(-std::numeric_limits<float>::infinity()).bits == 0xff);
  CHECK(float8_e5m2(61439.0f).bits == 0x7b);
  CHECK(float8_e5m2(61440.0f).bits == 0x7c);
  CHECK(float8_e5m2(std::numeric_limits<float>::quiet_NaN()).bits == 0x7f);
}

TEST_CASE("narrow floats compare as floats do") {
  CHECK(float16(0.0f) == float16(-0.0f));
  CHECK(bfloat16(1.0f) != bfloat16(2.0f));
  CHECK(float8_e4m3::from_bits(0x7f) != float8_e4m3::from_bits(0x7f));
}

TEST_CASE("conversions can be computed by the compiler") {
  static_assert(float16(1.0f).bits == 0x3c00);
  static_assert(float16(0x1p-24f).bits == 1);
  static_assert(static_cast<float>(float8_e4m3::from_bits(0x7e)) == 448);
  static_assert(bfloat16(std::numeric_limits<float>::infinity()).bits == 0x7f80);
  static_assert(float8_e5m2(std::numeric_limits<float>::quiet_NaN()).bits == 0x7f);
}

TEST_CASE("a C++ type is named by what it is, not by how it is spelled") {
  static_assert(data_type_of<long> == data_type_of<long long>);
  static_assert(data_type_of<signed char> == DataType::int8);
  static_assert(data_type_of<char> == (std::is_signed_v<char> ? DataType::int8 : DataType::uint8));
  static_assert(data_type_of<std::byte> == DataType::uint8);
  static_assert(data_type_of<char16_t> == DataType::uint16);
  static_assert(data_type_of<bool> == DataType::boolean);
  static_assert(data_type_of<const float> == DataType::float32);
  static_assert(data_type_of<bfloat16> == DataType::bfloat16);
  static_assert(data_type_of<long double> == DataType::other);
  static_assert(data_type_of<std::complex<float>> == DataType::other);
  static_assert(data_type_of<Color> == DataType::other);
}

TEST_CASE("each data type has the name that nccl-tests prints, and its size") {
  CHECK(name(DataType::float32) == std::string("float"));
  CHECK(name(DataType::float16) == std::string("half"));
  CHECK(name(DataType::float8_e4m3) == std::string("f8e4m3"));
  CHECK(name(DataType::boolean) == std::string("bool"));
  CHECK(size_of(DataType::other) == 0);
  const auto agrees = []<class... T>(const std::array<std::size_t, sizeof...(T)>& sizes, T...) {
    std::size_t i = 0;
    return ((size_of(data_type_of<T>) == sizeof(T) && sizes[i++] == sizeof(T)) && ...);
  };
  CHECK(agrees({1, 2, 4, 8, 2, 2, 1, 1, 4, 8, 1}, std::int8_t{}, std::uint16_t{}, 0, 0L, float16{}, bfloat16{},
               float8_e4m3{}, float8_e5m2{}, 0.0f, 0.0, false));
}

TEST_CASE("an element is anything trivially copyable that means the same on every rank") {
  static_assert(Element<Pair> && Element<std::complex<double>> && Element<Color> && Element<std::byte>);
  static_assert(!Element<int*> && !Element<int Pair::*> && !Element<const int> && !Element<int[2]>);
  static_assert(!Element<std::string>);
  static_assert(std::is_same_v<Accumulator<float8_e4m3>, float> && std::is_same_v<Accumulator<double>, double>);
  static_assert(std::is_trivial_v<float16> && sizeof(float16) == 2 && sizeof(float8_e5m2) == 1);
}
