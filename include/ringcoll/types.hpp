// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ringcoll::inline v0 {

/// The element types that ringcoll knows by name, as ranks tell each other what they sent.
enum class DataType : std::uint8_t {
  int8,
  uint8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  float16,
  bfloat16,
  float8_e4m3,
  float8_e5m2,
  float32,
  float64,
  boolean,
  other,  ///< any other trivially copyable type: the user's structs, complex numbers, enums
};

/// As nccl-tests prints them.
constexpr const char* name(DataType type) {
  switch (type) {
    case DataType::int8: return "int8";
    case DataType::uint8: return "uint8";
    case DataType::int16: return "int16";
    case DataType::uint16: return "uint16";
    case DataType::int32: return "int32";
    case DataType::uint32: return "uint32";
    case DataType::int64: return "int64";
    case DataType::uint64: return "uint64";
    case DataType::float16: return "half";
    case DataType::bfloat16: return "bfloat16";
    case DataType::float8_e4m3: return "f8e4m3";
    case DataType::float8_e5m2: return "f8e5m2";
    case DataType::float32: return "float";
    case DataType::float64: return "double";
    case DataType::boolean: return "bool";
    case DataType::other: return "other";
  }
  return "unknown";
}

/// Bytes of one element; 0 for `other`, whose size only its type knows.
constexpr std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::int8:
    case DataType::uint8: return 1;
    case DataType::int16:
    case DataType::uint16: return 2;
    case DataType::int32:
    case DataType::uint32: return 4;
    case DataType::int64:
    case DataType::uint64: return 8;
    case DataType::float16:
    case DataType::bfloat16: return 2;
    case DataType::float8_e4m3:
    case DataType::float8_e5m2: return 1;
    case DataType::float32: return 4;
    case DataType::float64: return 8;
    case DataType::boolean: return sizeof(bool);
    case DataType::other: return 0;
  }
  return 0;
}

namespace detail {

/// `condition ? yes : no` that stays arithmetic. From the conditional operator g++ makes a branch around the work for
/// the side not taken, and then does not vectorise the loop.
constexpr std::uint32_t select(bool condition, std::uint32_t yes, std::uint32_t no) {
  return no ^ ((yes ^ no) & (0 - std::uint32_t{condition}));
}

/// A binary floating-point format narrower than float, IEEE style: sign, exponent, mantissa, subnormals.
///
/// The conversions have no branches, so that plain loops over them vectorise. They use integers and one addition of
/// normal floats, so that the bits are the same on every CPU, whatever it does with subnormals.
template <class BitsT, int mantissa, int bias, bool has_infinity>
struct Format {
  using Bits = BitsT;

  static constexpr float decode(Bits code) {
    const std::uint32_t top = static_cast<std::uint32_t>(code) << (sign_shift + shift);
    const std::uint32_t scaled = (top & ~float_sign) >> sign_shift;  // the mantissa stands where a float has it
    // A subnormal is its mantissa in units of the smallest normal: put a 1 before it, then take the 1 away again.
    const std::uint32_t subnormal = as_bits(as_float(scaled + smallest_normal) - as_float(smallest_normal));
    std::uint32_t value = select(scaled < exponent_unit, subnormal, scaled + rebias);
    if constexpr (has_infinity) {
      value |= select(scaled >= infinity, float_infinity, 0);
      value |= select(scaled > infinity, float_quiet, 0);
    } else {
      value |= select(scaled == largest, float_infinity | float_quiet, 0);
    }
    return as_float(value | (top & float_sign));
  }

  /// Rounds to nearest, ties to even. What is too large becomes infinity, or NaN where there is no infinity.
  static constexpr Bits encode(float value) {
    constexpr std::uint32_t too_large = rebias + (has_infinity ? infinity : largest);
    const std::uint32_t bits = as_bits(value);
    const std::uint32_t absolute = bits & ~float_sign;
    const std::uint32_t clamped = absolute < too_large ? absolute : too_large;
    const std::uint32_t odd = clamped >> shift & 1;
    const std::uint32_t normal = clamped - rebias + (last_place / 2 - 1) + odd;
    // The last bit of `one` is worth the smallest subnormal, so the addition rounds to a multiple of it.
    constexpr std::uint32_t one = rebias + (1 + shift) * exponent_unit;
    const std::uint32_t small = absolute < smallest_normal ? absolute : smallest_normal;
    const std::uint32_t subnormal = (as_bits(as_float(small) + as_float(one)) - one) << shift;
    std::uint32_t scaled = select(absolute < smallest_normal, subnormal, normal);
    if constexpr (has_infinity) {
      // Sixteen bits keep the head of a NaN's payload, as the F16C instructions do; eight bits have one NaN.
      const std::uint32_t nan = sizeof(Bits) == 1 ? largest : infinity | float_quiet | (absolute & largest);
      scaled = select(absolute > float_infinity, nan, scaled);
    }
    // The shift comes last: g++ would do in eight bits what precedes a narrowing, and pack each operand for it.
    return static_cast<Bits>((scaled | (bits & float_sign) >> sign_shift) >> shift);
  }

 private:
  // Codes are handled as a float has them, with `shift` bits to their right, and with a sign `sign_shift` lower.
  static constexpr int shift = 23 - mantissa, sign_shift = 32 - 8 * static_cast<int>(sizeof(Bits)) - shift;
  static constexpr std::uint32_t last_place = 1u << shift, exponent_unit = 1u << 23;
  static constexpr std::uint32_t float_sign = 1u << 31, float_infinity = 0x7f800000, float_quiet = exponent_unit / 2;
  static constexpr std::uint32_t largest = (float_sign >> sign_shift) - last_place;
  static constexpr std::uint32_t infinity = largest / exponent_unit * exponent_unit;
  static constexpr std::uint32_t rebias = (127 - bias) * exponent_unit, smallest_normal = rebias + exponent_unit;

  static constexpr std::uint32_t as_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
  static constexpr float as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
};

/// The upper half of a float.
struct Bfloat {
  using Bits = std::uint16_t;

  static constexpr float decode(Bits code) { return std::bit_cast<float>(std::uint32_t{code} << 16); }

  static constexpr Bits encode(float value) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;  // rounding would carry some into infinity or the sign
    return static_cast<Bits>(select(nan, bits | 0x00400000, rounded) >> 16);
  }
};

/// A number stored in fewer bits than a float. It is a storage type: convert it to compute with it.
template <class FormatT>
struct SmallFloat {
  using Bits = typename FormatT::Bits;
  Bits bits;

  SmallFloat() = default;
  explicit constexpr SmallFloat(float value) : bits(FormatT::encode(value)) {}
  explicit constexpr operator float() const { return FormatT::decode(bits); }

  static constexpr SmallFloat from_bits(Bits bits) {
    SmallFloat value(0.0f);
    value.bits = bits;
    return value;
  }

  /// As floats compare: NaN equals nothing, -0 equals 0.
  friend constexpr bool operator==(SmallFloat a, SmallFloat b) {
    return static_cast<float>(a) == static_cast<float>(b);
  }
};

template <class T>
inline constexpr bool is_small_float = false;
template <class FormatT>
inline constexpr bool is_small_float<SmallFloat<FormatT>> = true;

}  // namespace detail

/// IEEE half precision.
using float16 = detail::SmallFloat<detail::Format<std::uint16_t, 10, 15, true>>;
/// The upper 16 bits of a float.
using bfloat16 = detail::SmallFloat<detail::Bfloat>;
/// OCP "FN": up to 448, no infinity. Numbers that round beyond 448 become NaN, as in torch.float8_e4m3fn.
using float8_e4m3 = detail::SmallFloat<detail::Format<std::uint8_t, 3, 7, false>>;
/// OCP, the upper half of a float16: up to 57344, with infinity; each NaN is written as 0x7f or 0xff, as in torch.
using float8_e5m2 = detail::SmallFloat<detail::Format<std::uint8_t, 2, 15, true>>;

/// What one element of a collective may be: bytes that mean the same on every rank.
template <class T>
concept Element = std::is_trivially_copyable_v<T> && std::is_object_v<T> && !std::is_array_v<T> &&
                  !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && !std::is_const_v<T>;

/// The type that a reduction computes in before it rounds to T.
template <class T>
using Accumulator = std::conditional_t<detail::is_small_float<T>, float, T>;

namespace detail {

template <class T>
consteval DataType find_data_type() {
  if constexpr (std::is_same_v<T, bool>) {
    return DataType::boolean;
  } else if constexpr (std::is_same_v<T, std::byte>) {
    return DataType::uint8;
  } else if constexpr (std::is_integral_v<T>) {
    // By size and signedness: long and long long, char and signed char are one type on the wire.
    constexpr bool is_signed = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return is_signed ? DataType::int8 : DataType::uint8;
      case 2: return is_signed ? DataType::int16 : DataType::uint16;
      case 4: return is_signed ? DataType::int32 : DataType::uint32;
      case 8: return is_signed ? DataType::int64 : DataType::uint64;
      default: return DataType::other;
    }
  } else if constexpr (std::is_same_v<T, float>) {
    return DataType::float32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DataType::float64;
  } else if constexpr (std::is_same_v<T, float16>) {
    return DataType::float16;
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    return DataType::bfloat16;
  } else if constexpr (std::is_same_v<T, float8_e4m3>) {
    return DataType::float8_e4m3;
  } else if constexpr (std::is_same_v<T, float8_e5m2>) {
    return DataType::float8_e5m2;
  } else {
    return DataType::other;
  }
}

}  // namespace detail

template <class T>
inline constexpr DataType data_type_of = detail::find_data_type<std::remove_cv_t<T>>();

static_assert(Element<float16> && Element<bfloat16> && Element<float8_e4m3> && Element<float8_e5m2>);

}  // namespace ringcoll::inline v0
