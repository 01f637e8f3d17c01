// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ringcoll/allreduce.hpp>

#include "transport/ranks.hpp"

using namespace ringcoll;
using ranks::random_bits;
using ranks::require;

namespace {

// Up to 16 ranks everybody sends to everybody; 17 and 20 are for the ring and for recursive doubling.
constexpr int sizes[] = {1, 2, 3, 4, 5, 8, 13, 17, 20};
constexpr std::size_t counts[] = {0, 1, 2, 7, 64, 1000, 4097};
constexpr std::size_t most = 4097;

enum class Kind { sum, prod, min, max, avg, premul_sum };
constexpr Kind kinds[] = {Kind::sum, Kind::prod, Kind::min, Kind::max, Kind::avg, Kind::premul_sum};
constexpr const char* kind_names[] = {"sum", "prod", "min", "max", "avg", "premul_sum"};
constexpr double scale = 0.75;

/// A type, as far as a test needs to know it: how far a result may be off, and what calls ringcoll.
struct TypeCase {
  std::string name;
  std::size_t bytes;
  double epsilon;   // a rounding changes a number by at most this part of it,
  double smallest;  // or by this
  double (*load)(const std::byte*);
  void (*store)(std::byte*, double);
  void (*run)(const Communicator&, Kind, const std::byte* in, std::byte* out, std::size_t count);
};

template <class T>
void run(const Communicator& comm, Kind kind, const std::byte* in, std::byte* out, std::size_t count) {
  const std::span<const T> from(reinterpret_cast<const T*>(in), count);
  const std::span<T> to(reinterpret_cast<T*>(out), count);
  switch (kind) {
    case Kind::sum: return allreduce(comm, from, to);
    case Kind::prod: return allreduce(comm, from, to, prod{});
    case Kind::min: return allreduce(comm, from, to, ringcoll::min{});
    case Kind::max: return allreduce(comm, from, to, ringcoll::max{});
    case Kind::avg: return allreduce(comm, from, to, avg{});
    case Kind::premul_sum: return allreduce(comm, from, to, premul_sum{scale});
  }
}

template <class T>
TypeCase type_case(const char* name, int mantissa_bits, int smallest_exponent) {
  return {name,
          sizeof(T),
          std::ldexp(1.0, -mantissa_bits),
          std::ldexp(1.0, smallest_exponent),
          [](const std::byte* from) {
            T value{};
            std::memcpy(&value, from, sizeof value);
            return static_cast<double>(static_cast<Accumulator<T>>(value));
          },
          [](std::byte* to, double value) {
            const T stored = static_cast<T>(static_cast<Accumulator<T>>(value));
            std::memcpy(to, &stored, sizeof stored);
          },
          run<T>};
}

std::vector<TypeCase> types() {
  return {type_case<float16>("float16", 10, -24),       type_case<bfloat16>("bfloat16", 7, -133),
          type_case<float8_e4m3>("float8_e4m3", 3, -9), type_case<float8_e5m2>("float8_e5m2", 2, -16),
          type_case<float>("float", 23, -149),          type_case<double>("double", 52, -1074)};
}

using Bytes = std::vector<std::byte>;

/// Numbers around 1; for products powers of 2 that cannot overflow, so that products are exact in every order.
Bytes input_of(const TypeCase& type, Kind kind, int rank, std::size_t count) {
  Bytes data(count * type.bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random_bits(rank, i);
    double value = static_cast<double>(bits % 10'000) / 5'000 - 1;
    if (kind == Kind::prod) value = (bits & 1 ? 1.0 : -1.0) * (bits % 3 != 0 ? 1 : rank % 2 == 0 ? 2 : 0.5);
    type.store(data.data() + i * type.bytes, value);
  }
  return data;
}

/// What the result should be, and how much rounding may have moved it.
struct Expected {
  double value, error;
};

Expected expected(const TypeCase& type, Kind kind, const std::vector<Bytes>& inputs, std::size_t i) {
  const auto size = static_cast<double>(inputs.size());
  double value = 0, absolute = 0;
  for (std::size_t rank = 0; rank < inputs.size(); ++rank) {
    const double next = type.load(inputs[rank].data() + i * type.bytes) * (kind == Kind::premul_sum ? scale : 1);
    absolute += std::abs(next);
    if (rank == 0) value = next;
    else if (kind == Kind::prod) value *= next;
    else if (kind == Kind::min) value = std::min(value, next);
    else if (kind == Kind::max) value = std::max(value, next);
    else value += next;
  }
  if (kind == Kind::prod || kind == Kind::min || kind == Kind::max) return {value, 0};
  const double error = size * (type.epsilon * absolute + type.smallest);  // one rounding for each addition
  return kind == Kind::avg
             ? Expected{value / size, error / size + type.epsilon * std::abs(value / size) + type.smallest}
             : Expected{value, error};
}

/// Runs the op in place and not; both must leave the same bits. Returns them, hashed.
std::uint64_t bits_after(const Communicator& comm, const TypeCase& type, Kind kind, const Bytes& input,
                         std::size_t count, Bytes& out) {
  const std::size_t bytes = count * type.bytes;
  out.assign(bytes, std::byte{0x5a});
  type.run(comm, kind, input.data(), out.data(), count);
  Bytes inout(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(bytes));
  type.run(comm, kind, inout.data(), inout.data(), count);
  require(inout == out, type.name + " differs in place " + ranks::with(comm.size()));
  return ranks::hash(out.data(), bytes);
}

bool all_equal(const std::vector<std::vector<std::uint64_t>>& of_ranks) {
  for (const auto& of_rank : of_ranks)
    if (of_rank != of_ranks[0]) return false;
  return true;
}

}  // namespace

TEST_CASE(
    "allreduce of every floating-point type with every op is as near as rounding allows, the same bits on all ranks") {
  for (const TypeCase& type : types()) {
    for (const int size : sizes) {
      for (const Kind kind : kinds) {
        std::vector<Bytes> inputs;
        for (int rank = 0; rank < size; ++rank) inputs.push_back(input_of(type, kind, rank, most));
        std::vector<Expected> results;
        for (std::size_t i = 0; i < most; ++i) results.push_back(expected(type, kind, inputs, i));
        std::vector<std::vector<std::uint64_t>> bits(inputs.size());
        const std::string what = type.name + " " + kind_names[static_cast<int>(kind)] + " ";
        const auto on_rank = [&](Communicator& comm) {
          const auto rank = static_cast<std::size_t>(comm.rank());
          Bytes out;
          for (const std::size_t count : counts) {
            bits[rank].push_back(bits_after(comm, type, kind, inputs[rank], count, out));
            for (std::size_t i = 0; i < count; ++i) {
              const double got = type.load(out.data() + i * type.bytes);
              if (std::abs(got - results[i].value) <= results[i].error) continue;
              require(false, what + "of " + std::to_string(count) + " elements is " + std::to_string(got) +
                                 " instead of " + std::to_string(results[i].value) + " at " + std::to_string(i) + " " +
                                 ranks::with(size));
            }
          }
        };
        CHECK_EQ(ranks::failure(size, on_rank), "");
        CHECK_MESSAGE(all_equal(bits), what, ranks::with(size));
      }
    }
  }
}

TEST_CASE("allreduce of any bits, NaN and infinities too, leaves the same bits on all ranks") {
  for (const TypeCase& type : types()) {
    for (const int size : sizes) {
      std::vector<std::vector<std::uint64_t>> bits(static_cast<std::size_t>(size));
      const auto on_rank = [&](Communicator& comm) {
        Bytes input(most * type.bytes), out;
        for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::byte>(random_bits(comm.rank(), i));
        for (const Kind kind : kinds)
          for (const std::size_t count : counts)
            bits[static_cast<std::size_t>(comm.rank())].push_back(bits_after(comm, type, kind, input, count, out));
      };
      CHECK_EQ(ranks::failure(size, on_rank), "");
      CHECK_MESSAGE(all_equal(bits), type.name, " ", ranks::with(size));
    }
  }
}

TEST_CASE("one rank's NaN is everybody's, and infinities of both signs make one in a sum") {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const TypeCase& type : types()) {
    const bool has_infinity = type.name != "float8_e4m3";
    for (const int size : {2, 3, 8, 17}) {
      const auto on_rank = [&](Communicator& comm) {
        // Element 0: a NaN at one rank. 1: an infinity at one. 2: infinities that cancel. 3: ordinary.
        const int chosen = comm.size() / 2;
        const double values[] = {comm.rank() == chosen ? nan : 1, comm.rank() == chosen ? infinity : 1,
                                 comm.rank() == chosen ? infinity
                                 : comm.rank() == 0    ? -infinity
                                                       : 1,
                                 1};
        Bytes in(4 * type.bytes), out(4 * type.bytes);
        for (std::size_t i = 0; i < 4; ++i) type.store(in.data() + i * type.bytes, values[i]);
        const auto at = [&](std::size_t i) { return type.load(out.data() + i * type.bytes); };
        for (const Kind kind : {Kind::sum, Kind::avg, Kind::premul_sum, Kind::min, Kind::max, Kind::prod}) {
          const std::string what = type.name + " " + kind_names[static_cast<int>(kind)] + " " + ranks::with(size);
          type.run(comm, kind, in.data(), out.data(), 4);
          require(std::isnan(at(0)), what + ": NaN");
          const bool sums = kind == Kind::sum || kind == Kind::avg || kind == Kind::premul_sum;
          if (has_infinity && (sums || kind == Kind::max || kind == Kind::prod))
            require(at(1) == infinity, what + ": infinity");
          if (sums) require(std::isnan(at(2)), what + ": cancelling infinities");
          require(std::isfinite(at(3)), what + ": the others are left alone");
        }
      };
      CHECK_EQ(ranks::failure(size, on_rank), "");
    }
  }
}

TEST_CASE("a sum in several rounds is as near as rounding allows, the same bits on all ranks") {
  for (const TypeCase& type : types()) {
    const std::size_t count = 700'001 / type.bytes;
    for (const int size : {2, 3}) {
      std::vector<Bytes> inputs;
      for (int rank = 0; rank < size; ++rank) inputs.push_back(input_of(type, Kind::sum, rank, count));
      std::vector<std::vector<std::uint64_t>> bits(inputs.size());
      const auto on_rank = [&](Communicator& comm) {
        const auto rank = static_cast<std::size_t>(comm.rank());
        Bytes out;
        bits[rank].push_back(bits_after(comm, type, Kind::sum, inputs[rank], count, out));
        for (std::size_t i = rank; i < count; i += inputs.size()) {  // the ranks share the work of looking
          const Expected e = expected(type, Kind::sum, inputs, i);
          if (std::abs(type.load(out.data() + i * type.bytes) - e.value) <= e.error) continue;
          require(false, type.name + " is wrong at " + std::to_string(i) + " " + ranks::with(size));
        }
      };
      CHECK_EQ(ranks::failure(size, on_rank), "");
      CHECK_MESSAGE(all_equal(bits), type.name, " ", ranks::with(size));
    }
  }
}
