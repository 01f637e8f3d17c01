// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ringcoll/allreduce.hpp>

#include "transport/ranks.hpp"

// allreduce of integers with every op, against 64-bit arithmetic that is cut to the type at the end. (Wrapping sums and
// products of integers do not depend on when they are cut.)
namespace integers {

using namespace ringcoll;
using ranks::random_bits;
using ranks::require;

inline constexpr std::size_t counts[] = {0, 1, 2, 7, 64, 1000, 4097};
inline constexpr std::size_t most = 4097;
inline constexpr std::size_t several_rounds_bytes = 1'300'007;

/// One op on one type: how ringcoll does it, and how it is done by hand on 64-bit numbers.
struct OpCase {
  std::string name;
  void (*run)(const Communicator&, const std::byte* in, std::byte* out, std::size_t count);
  std::uint64_t (*combine)(std::uint64_t a, std::uint64_t b, bool is_signed);
};

struct TypeCase {
  DataType type;
  bool is_signed;
  std::vector<OpCase> ops;

  std::size_t bytes() const { return size_of(type); }
  /// The number as its type has it, made 64 bits wide.
  std::uint64_t cut(std::uint64_t value) const {
    if (type == DataType::boolean) return value != 0;
    const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes());
    const std::uint64_t top = value << unused;
    return is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(top) >> unused) : top >> unused;
  }
  std::uint64_t load(const std::byte* from) const {
    std::uint64_t value = 0;
    std::memcpy(&value, from, bytes());
    return cut(value);
  }
  void store(std::byte* to, std::uint64_t value) const { std::memcpy(to, &value, bytes()); }
};

inline constexpr int scale = -3;

template <class T, class Op>
void run(const Communicator& comm, const std::byte* in, std::byte* out, std::size_t count) {
  Op op{};
  if constexpr (std::is_same_v<Op, premul_sum>) op.scale = scale + 0.5;  // integers truncate it
  allreduce(comm, std::span(reinterpret_cast<const T*>(in), count), std::span(reinterpret_cast<T*>(out), count), op);
}

template <class T>
TypeCase type_case() {
  using U = std::uint64_t;
  TypeCase type{data_type_of<T>, std::is_signed_v<T>, {}};
  type.ops = {
      {"sum", run<T, sum>, [](U a, U b, bool) { return a + b; }},
      {"prod", run<T, prod>, [](U a, U b, bool) { return a * b; }},
      {"min", run<T, min>,
       [](U a, U b, bool s) {
         return (s ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b) ? a : b;
       }},
      {"max", run<T, max>,
       [](U a, U b, bool s) {
         return (s ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b) ? b : a;
       }},
      {"bit_and", run<T, bit_and>, [](U a, U b, bool) { return a & b; }},
      {"bit_or", run<T, bit_or>, [](U a, U b, bool) { return a | b; }},
      {"bit_xor", run<T, bit_xor>, [](U a, U b, bool) { return a ^ b; }},
      {"logical_and", run<T, logical_and>, [](U a, U b, bool) { return U{a != 0 && b != 0}; }},
      {"logical_or", run<T, logical_or>, [](U a, U b, bool) { return U{a != 0 || b != 0}; }},
      {"logical_xor", run<T, logical_xor>, [](U a, U b, bool) { return U{(a != 0) != (b != 0)}; }},
  };
  if constexpr (std::is_same_v<T, bool>) {
    type.ops[0].combine = [](U a, U b, bool) { return a | b; };
    type.ops[1].combine = [](U a, U b, bool) { return a & b; };
  } else {
    type.ops.push_back({"avg", run<T, avg>, [](U a, U b, bool) { return a + b; }});
    type.ops.push_back({"premul_sum", run<T, premul_sum>, [](U a, U b, bool) { return a + b; }});
  }
  return type;
}

using Bytes = std::vector<std::byte>;

inline Bytes input_of(const TypeCase& type, int rank, std::size_t count) {
  Bytes data(count * type.bytes());
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random_bits(rank, i);
    // Often zero, so that logical ops have something to decide.
    type.store(data.data() + i * type.bytes(), bits % 3 == 0 ? 0 : type.cut(bits >> 8));
  }
  return data;
}

inline Bytes result_of(const TypeCase& type, const OpCase& op, const std::vector<Bytes>& inputs, std::size_t count) {
  Bytes data(count * type.bytes());
  const bool scales = op.name == "premul_sum", divides = op.name == "avg", logical = op.name.starts_with("logical");
  for (std::size_t at = 0; at < data.size(); at += type.bytes()) {
    std::uint64_t value = 0;
    for (std::size_t rank = 0; rank < inputs.size(); ++rank) {
      std::uint64_t next = type.load(inputs[rank].data() + at);
      if (scales) next *= static_cast<std::uint64_t>(scale + 1);  // -2.5 truncates to -2
      value = rank == 0 ? next : op.combine(value, next, type.is_signed);
    }
    value = type.cut(value);
    if (divides && type.is_signed)
      value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value) / static_cast<std::int64_t>(inputs.size()));
    else if (divides) value /= inputs.size();
    if (logical && inputs.size() == 1) value = type.load(inputs[0].data() + at);  // one rank: nothing is combined
    type.store(data.data() + at, value);
  }
  return data;
}

/// On one rank: in place and not, its part of the result must be what it should be.
inline void check(const Communicator& comm, const TypeCase& type, const OpCase& op, const Bytes& input,
                  const Bytes& expected, std::size_t count) {
  const std::size_t bytes = count * type.bytes();
  const std::string what = std::string(name(type.type)) + " " + op.name + " of " + std::to_string(count) + " elements ";
  Bytes out(bytes + 1, std::byte{0x5a});
  op.run(comm, input.data(), out.data(), count);
  require(std::memcmp(out.data(), expected.data(), bytes) == 0, what + ranks::with(comm.size()));
  require(out.back() == std::byte{0x5a}, what + "wrote behind the end");
  out.assign(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(bytes));
  op.run(comm, out.data(), out.data(), count);
  require(std::memcmp(out.data(), expected.data(), bytes) == 0, what + "in place " + ranks::with(comm.size()));
}

/// Every op on many lengths.
inline void check_all_ops(const TypeCase& type) {
  for (const int size : {1, 2, 3, 4, 5, 8, 13}) {
    std::vector<Bytes> inputs, results;
    for (int rank = 0; rank < size; ++rank) inputs.push_back(input_of(type, rank, most));
    for (const OpCase& op : type.ops) results.push_back(result_of(type, op, inputs, most));
    CHECK_EQ(ranks::failure(size,
                            [&](Communicator& comm) {
                              for (std::size_t i = 0; i < results.size(); ++i)
                                for (const std::size_t count : counts)
                                  check(comm, type, type.ops[i], inputs[static_cast<std::size_t>(comm.rank())],
                                        results[i], count);
                            }),
             "");
  }
}

/// The first op on a length that takes several rounds.
inline void check_long(const TypeCase& type) {
  const std::size_t count = several_rounds_bytes / type.bytes();
  for (const int size : {2, 3, 5}) {
    std::vector<Bytes> inputs;
    for (int rank = 0; rank < size; ++rank) inputs.push_back(input_of(type, rank, count));
    const Bytes result = result_of(type, type.ops[0], inputs, count);
    CHECK_EQ(ranks::failure(size,
                            [&](Communicator& comm) {
                              check(comm, type, type.ops[0], inputs[static_cast<std::size_t>(comm.rank())], result,
                                    count);
                            }),
             "");
  }
}

}  // namespace integers
