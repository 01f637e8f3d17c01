// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <ringcoll/types.hpp>

// A reduction op is any callable `T(T, T)`, constant, associative and commutative: the ranks' values may be combined in
// any order and grouping. Elements of 16- and 8-bit floats reach it as float (see Accumulator).
//
// An op may have two more functions. `prepare(value)` is applied to every rank's own input as it first enters, and
// `finish(value, size)` once to the value that holds every contribution, by the rank that completes it.

namespace ringcoll::inline v0 {

/// The ops that ringcoll knows by name, as ranks tell each other what they do.
enum class OpId : std::uint8_t {
  sum,
  prod,
  min,
  max,
  avg,
  premul_sum,
  bit_and,
  bit_or,
  bit_xor,
  logical_and,
  logical_or,
  logical_xor,
  user,    ///< any other callable
  absent,  ///< nothing is combined: broadcast, allgather, …
};

/// As nccl-tests prints them.
constexpr const char* name(OpId id) {
  switch (id) {
    case OpId::sum: return "sum";
    case OpId::prod: return "prod";
    case OpId::min: return "min";
    case OpId::max: return "max";
    case OpId::avg: return "avg";
    case OpId::premul_sum: return "mulsum";
    case OpId::bit_and: return "band";
    case OpId::bit_or: return "bor";
    case OpId::bit_xor: return "bxor";
    case OpId::logical_and: return "land";
    case OpId::logical_or: return "lor";
    case OpId::logical_xor: return "lxor";
    case OpId::user: return "user";
    case OpId::absent: return "none";
  }
  return "unknown";
}

namespace detail {

template <class A>
concept Integer = std::integral<A> && !std::same_as<A, bool>;
template <class A>
concept Number = Integer<A> || std::floating_point<A>;
template <class A>
concept Bitwise = std::integral<A> || std::same_as<A, std::byte>;
template <class A>
concept Addable = requires(A a) { static_cast<A>(a + a); };
template <class A>
concept Multipliable = requires(A a) { static_cast<A>(a * a); };
template <class A>
concept Ordered = requires(A a) { static_cast<bool>(a < a); };

/// Integers wrap around. In unsigned arithmetic that is no overflow, and at least as wide as int, since short unsigned
/// operands would be promoted to int and could overflow that.
template <Integer A>
using Wrapping = std::common_type_t<std::make_unsigned_t<A>, unsigned>;

template <Addable A>
constexpr A add(A a, A b) {
  if constexpr (Integer<A>) return static_cast<A>(static_cast<Wrapping<A>>(a) + static_cast<Wrapping<A>>(b));
  else return static_cast<A>(a + b);
}

template <Multipliable A>
constexpr A multiply(A a, A b) {
  if constexpr (Integer<A>) return static_cast<A>(static_cast<Wrapping<A>>(a) * static_cast<Wrapping<A>>(b));
  else return static_cast<A>(a * b);
}

template <class A>
constexpr bool is_nan(A a) {
  if constexpr (std::floating_point<A>) return a != a;
  else return false;
}

}  // namespace detail

/// Integers wrap around; for bool it is "any".
struct sum {
  template <detail::Addable A>
  constexpr A operator()(A a, A b) const {
    return detail::add(a, b);
  }
};

/// Integers wrap around; for bool it is "all".
struct prod {
  template <detail::Multipliable A>
  constexpr A operator()(A a, A b) const {
    return detail::multiply(a, b);
  }
};

/// A NaN on any rank is the result: errors should be seen.
struct min {
  template <detail::Ordered A>
  constexpr A operator()(A a, A b) const {
    return (static_cast<bool>(a < b) | detail::is_nan(a)) ? a : b;
  }
};

/// A NaN on any rank is the result: errors should be seen.
struct max {
  template <detail::Ordered A>
  constexpr A operator()(A a, A b) const {
    return (static_cast<bool>(b < a) | detail::is_nan(a)) ? a : b;
  }
};

/// The sum, divided once at the end by the number of ranks. Integers wrap in the sum, then truncate.
struct avg {
  template <detail::Number A>
  constexpr A operator()(A a, A b) const {
    return detail::add(a, b);
  }

  template <detail::Number A>
  constexpr A finish(A total, int size) const {
    if constexpr (std::floating_point<A>) return total / static_cast<A>(size);
    else if constexpr (std::is_signed_v<A>)
      return static_cast<A>(static_cast<std::int64_t>(total) / size);  // size may not fit A
    else return static_cast<A>(static_cast<std::uint64_t>(total) / static_cast<std::uint64_t>(size));
  }
};

/// The sum of every rank's input times that rank's scale. For integers the scale is truncated to one first.
struct premul_sum {
  double scale = 1;

  template <detail::Number A>
  constexpr A operator()(A a, A b) const {
    return detail::add(a, b);
  }

  template <detail::Number A>
  constexpr A prepare(A input) const {
    if constexpr (std::floating_point<A>) return input * static_cast<A>(scale);
    else return detail::multiply(input, static_cast<A>(static_cast<std::int64_t>(scale)));
  }
};

struct bit_and {
  template <detail::Bitwise A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>(a & b);
  }
};

struct bit_or {
  template <detail::Bitwise A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>(a | b);
  }
};

struct bit_xor {
  template <detail::Bitwise A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>(a ^ b);
  }
};

/// Zero is false, anything else true; the result is 0 or 1, except that a single rank gets its own element back.
struct logical_and {
  template <std::integral A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>((a != 0) & (b != 0));
  }
};

struct logical_or {
  template <std::integral A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>((a != 0) | (b != 0));
  }
};

struct logical_xor {
  template <std::integral A>
  constexpr A operator()(A a, A b) const {
    return static_cast<A>((a != 0) != (b != 0));
  }
};

/// Says that a user's op is associative but not commutative: operands are then combined in rank order.
template <class F>
struct ordered {
  F f;

  template <class A>
    requires std::invocable<const F&, A, A>
  constexpr auto operator()(A a, A b) const {
    return f(a, b);
  }
};
template <class F>
ordered(F) -> ordered<F>;

template <class Op>
inline constexpr bool is_commutative = true;
template <class Op>
inline constexpr bool is_commutative<const Op> = is_commutative<Op>;
template <class F>
inline constexpr bool is_commutative<ordered<F>> = false;

template <class Op, class A = float>
inline constexpr bool has_prepare = requires(const Op& op, A input) { op.prepare(input); };
template <class Op, class A = float>
inline constexpr bool has_finish = requires(const Op& op, A total, int size) { op.finish(total, size); };

template <class Op>
inline constexpr OpId op_id_of = OpId::user;
template <class Op> inline constexpr OpId op_id_of<const Op> = op_id_of<Op>;
template <> inline constexpr OpId op_id_of<void> = OpId::absent;
template <> inline constexpr OpId op_id_of<sum> = OpId::sum;
template <> inline constexpr OpId op_id_of<prod> = OpId::prod;
template <> inline constexpr OpId op_id_of<min> = OpId::min;
template <> inline constexpr OpId op_id_of<max> = OpId::max;
template <> inline constexpr OpId op_id_of<avg> = OpId::avg;
template <> inline constexpr OpId op_id_of<premul_sum> = OpId::premul_sum;
template <> inline constexpr OpId op_id_of<bit_and> = OpId::bit_and;
template <> inline constexpr OpId op_id_of<bit_or> = OpId::bit_or;
template <> inline constexpr OpId op_id_of<bit_xor> = OpId::bit_xor;
template <> inline constexpr OpId op_id_of<logical_and> = OpId::logical_and;
template <> inline constexpr OpId op_id_of<logical_or> = OpId::logical_or;
template <> inline constexpr OpId op_id_of<logical_xor> = OpId::logical_xor;

namespace detail {

template <class Op, class A>
concept Combines = requires(const Op& op, A a) {
  { op(a, a) } -> std::convertible_to<A>;
};

}  // namespace detail

/// `Op` can reduce elements of type `T`: called on two values it returns their combination. It is called through a
/// const reference, any number of times, on one thread at a time, and must not depend on how often it was called.
template <class Op, class T>
concept ReductionOf = Element<T> && (detail::Combines<Op, Accumulator<T>> || detail::Combines<Op, T>);

namespace detail {

/// Refuses, with a sentence, an op that does not fit the element type; a public call that wants the sentence to be the
/// first thing its user reads calls this instead of being constrained by ReductionOf.
template <class T, class Op>
consteval void require_reduction() {
  using A = Accumulator<T>;
  constexpr OpId id = op_id_of<Op>;
  static_assert(Element<T>, "ringcoll: an element must be trivially copyable, and no pointer, array or reference");
  static_assert(id != OpId::sum || Addable<A>, "ringcoll: sum needs a type with +");
  static_assert(id != OpId::prod || Multipliable<A>, "ringcoll: prod needs a type with *");
  static_assert(id != OpId::min || Ordered<A>, "ringcoll: min needs a type with <");
  static_assert(id != OpId::max || Ordered<A>, "ringcoll: max needs a type with <");
  static_assert(id != OpId::avg || Number<A>, "ringcoll: avg needs an integer or floating-point type");
  static_assert(id != OpId::premul_sum || Number<A>, "ringcoll: premul_sum needs an integer or floating-point type");
  static_assert(id != OpId::bit_and || Bitwise<A>, "ringcoll: bit_and needs an integer type");
  static_assert(id != OpId::bit_or || Bitwise<A>, "ringcoll: bit_or needs an integer type");
  static_assert(id != OpId::bit_xor || Bitwise<A>, "ringcoll: bit_xor needs an integer type");
  static_assert(id != OpId::logical_and || std::integral<A>, "ringcoll: logical_and needs an integer type or bool");
  static_assert(id != OpId::logical_or || std::integral<A>, "ringcoll: logical_or needs an integer type or bool");
  static_assert(id != OpId::logical_xor || std::integral<A>, "ringcoll: logical_xor needs an integer type or bool");
  static_assert(id != OpId::user || !Element<T> || ReductionOf<Op, T>,
                "ringcoll: the op must be callable, when const, with two elements and return one: T op(T, T)");
}

}  // namespace detail

}  // namespace ringcoll::inline v0
