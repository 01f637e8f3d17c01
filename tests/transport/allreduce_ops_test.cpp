// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ringcoll/allreduce.hpp>
#include <ringcoll/reduce.hpp>
#include <ringcoll/reduce_scatter.hpp>

#include "transport/ranks.hpp"

// Ops of the user's own, and every schedule with real data: `ringcoll` chooses one by size, so here they are run by
// hand.

using namespace ringcoll;
using ranks::random_bits;
using ranks::require;

namespace {

constexpr std::uint32_t modulus = 65'521;

/// 2x2 matrices of numbers below a prime: products are exact, associative, and do not commute.
struct Matrix {
  std::array<std::uint32_t, 4> m;
  friend bool operator==(const Matrix&, const Matrix&) = default;
};

struct Product {
  Matrix operator()(const Matrix& a, const Matrix& b) const {
    const auto dot = [&](std::size_t row, std::size_t column) {
      return static_cast<std::uint32_t>(
          (std::uint64_t{a.m[2 * row]} * b.m[column] + std::uint64_t{a.m[2 * row + 1]} * b.m[2 + column]) % modulus);
    };
    return {{dot(0, 0), dot(0, 1), dot(1, 0), dot(1, 1)}};
  }
};

Matrix matrix(int rank, std::size_t i) {
  Matrix a;
  for (std::size_t k = 0; k < 4; ++k) a.m[k] = static_cast<std::uint32_t>(random_bits(rank, i, k) % modulus);
  return a;
}

Matrix product_of_all(int size, std::size_t i) {
  Matrix a = matrix(0, i);
  for (int rank = 1; rank < size; ++rank) a = Product{}(a, matrix(rank, i));
  return a;
}

std::vector<Matrix> matrices(int rank, std::size_t count) {
  std::vector<Matrix> data(count);
  for (std::size_t i = 0; i < count; ++i) data[i] = matrix(rank, i);
  return data;
}

/// A short string: `ordered` concatenation shows the order of the ranks to the naked eye.
struct Text {
  std::uint32_t length;
  std::array<char, 60> letters;
  std::string str() const { return {letters.data(), length}; }
};

Text letter(int rank) { return {1, {static_cast<char>('a' + rank)}}; }

const auto concatenate = ordered{[](Text a, Text b) {
  for (std::uint32_t i = 0; i < b.length; ++i) a.letters[a.length++] = b.letters[i];
  return a;
}};

/// Runs an allreduce with a schedule of the test's choice, cut as make_call would cut it.
template <class T, class Op>
void allreduce_by(const AnySchedule& schedule, const Communicator& comm, std::span<const T> in, std::span<T> out,
                  const Op& op, std::size_t window) {
  const detail::Request request = detail::allreduce_request<T>(comm, in, out, op);
  detail::Call call = detail::make_call(comm.member(), request, {});
  call.schedule = schedule;
  call.frame_elements =
      comm.member().transport().frame_bytes() / sizeof(T) / static_cast<std::size_t>(schedule.most_parts());
  call.in.per_chunk = 0;
  call.window = window;
  call.cut();
  comm.member().run(call, {});
}

struct Named {
  AnySchedule schedule;
  bool keeps_order;
};

std::vector<Named> allreduces(int size) {
  std::vector<Named> all = {{AnySchedule(RecursiveDoublingAllreduce{size}, "recursive_doubling"), true},
                            {AnySchedule(TreeAllreduce{size}, "tree"), true},
                            {AnySchedule(RingAllreduce{size}, "ring"), false}};
  if (size > 1) all.push_back({AnySchedule(DirectAllreduce{size}, "direct"), true});
  if (size > 1) all.push_back({AnySchedule(TwoShotAllreduce{size}, "two_shot"), true});
  return all;
}

}  // namespace

TEST_CASE("every schedule of allreduce gives the same sum of real data, in place and not, in one round and in many") {
  constexpr std::size_t several_rounds = 300'001;  // of 16,384 each
  for (const int size : {1, 2, 3, 4, 5, 8, 13}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const Named& named : allreduces(size)) {
        for (const std::size_t count :
             {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1000}, several_rounds}) {
          if (count == several_rounds && size > 5) continue;
          for (const std::size_t window : {1u, 3u}) {
            std::vector<std::uint32_t> in(count), out(count);
            for (std::size_t i = 0; i < count; ++i)
              in[i] = static_cast<std::uint32_t>(i * 2'654'435'761u) * static_cast<std::uint32_t>(comm.rank() + 1);
            const auto check = [&](const std::vector<std::uint32_t>& result, const char* how) {
              const auto weight = static_cast<std::uint32_t>(size * (size + 1) / 2);
              for (std::size_t i = 0; i < count; ++i)
                if (result[i] != static_cast<std::uint32_t>(i * 2'654'435'761u) * weight)
                  require(false, std::string(named.schedule.name()) + how + " at " + std::to_string(i) + " of " +
                                     std::to_string(count) + " " + ranks::with(size));
            };
            allreduce_by<std::uint32_t>(named.schedule, comm, in, out, sum{}, window);
            check(out, "");
            allreduce_by<std::uint32_t>(named.schedule, comm, in, in, sum{}, window);
            check(in, " in place");
          }
        }
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("schedules that promise it combine real data in rank order") {
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8, 13, 16}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const Named& named : allreduces(size)) {
        if (!named.keeps_order) continue;
        for (const std::size_t count : {1u, 7u, 501u}) {
          std::vector<Matrix> inout = matrices(comm.rank(), count);
          allreduce_by<Matrix>(named.schedule, comm, inout, inout, ordered{Product{}}, 1);
          for (std::size_t i = 0; i < count; ++i)
            require(inout[i] == product_of_all(size, i), std::string(named.schedule.name()) + " " + ranks::with(size));
        }
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("an ordered op is combined in rank order by whatever ringcoll chooses") {
  for (const int size : {1, 2, 3, 5, 8, 13, 17, 24}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const std::size_t count : {1u, 7u, 255u, 257u, 5000u}) {  // 256 fill 4 KiB
        const std::vector<Matrix> in = matrices(comm.rank(), count);
        std::vector<Matrix> out(count);
        const auto check = [&](std::size_t first, const char* what) {
          for (std::size_t i = 0; i < out.size(); ++i)
            if (!(out[i] == product_of_all(size, first + i))) require(false, what + (" " + ranks::with(size)));
        };
        if (count == 5000 && size > 5) continue;
        allreduce(comm, in, out, ordered{Product{}});
        check(0, "allreduce");
        for (const int root : {0, size / 2, size - 1}) {
          out.assign(comm.rank() == root ? count : 0, {});
          reduce(comm, in, out, root, ordered{Product{}});
          check(0, "reduce");
        }
        const std::size_t part = count / static_cast<std::size_t>(size);
        out.assign(part, {});
        reduce_scatter(comm, std::span(in).first(part * static_cast<std::size_t>(size)), out, ordered{Product{}});
        check(part * static_cast<std::size_t>(comm.rank()), "reduce_scatter");
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("concatenation in rank order spells the alphabet") {
  for (const int size : {1, 2, 7, 16, 17, 26}) {
    const std::string alphabet = std::string("abcdefghijklmnopqrstuvwxyz").substr(0, static_cast<std::size_t>(size));
    const auto on_rank = [&](Communicator& comm) {
      for (const std::size_t count : {1u, 100u}) {
        std::vector<Text> texts(count, letter(comm.rank()));
        allreduce(comm, texts, concatenate);
        for (const Text& text : texts) require(text.str() == alphabet, text.str() + " instead of " + alphabet);
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("a functor of the user's own works on any type, with state, and as a function pointer") {
  struct Best {  // an argmax: a value and where it is
    float value;
    std::int32_t where;
  };
  struct Limited {
    int limit;
    int operator()(int a, int b) const { return std::min(a + b, limit); }
  };
  for (const int size : {1, 2, 3, 8, 17, 20}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const std::size_t count : {1u, 33u, 2000u}) {
        std::vector<Best> best(count);
        for (std::size_t i = 0; i < count; ++i)
          best[i] = {static_cast<float>((comm.rank() * 7 + static_cast<int>(i)) % size), comm.rank()};
        allreduce(comm, best, [](Best a, Best b) {
          return a.value != b.value ? (a.value > b.value ? a : b) : a.where < b.where ? a : b;
        });
        for (std::size_t i = 0; i < count; ++i)
          require((best[i].where * 7 + static_cast<int>(i)) % size == static_cast<int>(best[i].value),
                  "argmax " + ranks::with(size));

        std::vector<int> limited(count, comm.rank() + 1);
        allreduce(comm, limited, Limited{10});
        for (const int value : limited) require(value == std::min(10, size * (size + 1) / 2), "a functor with state");

        std::vector<double> hypotenuse(count, 1.0);
        allreduce(comm, hypotenuse, [](double a, double b) { return std::hypot(a, b); });
        for (const double value : hypotenuse) require(std::abs(value - std::sqrt(size)) < 1e-9, "a lambda");

        std::vector<std::complex<float>> rotations(count, {0, 1});
        allreduce(comm, rotations, prod{});
        const std::complex<float> turns[] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
        for (const auto& value : rotations) require(value == turns[size % 4], "complex numbers");

        std::vector<unsigned> pointers(count, 1u << comm.rank());
        allreduce(comm, pointers, +[](unsigned a, unsigned b) { return a | b; });
        for (const unsigned value : pointers) require(value == (1u << size) - 1, "a function pointer");
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("each rank may scale by a number of its own, and avg divides once in every collective") {
  for (const int size : {1, 2, 3, 8, 17}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const std::size_t part : {1u, 100u, 3000u}) {
        const std::size_t count = part * static_cast<std::size_t>(size);
        const std::vector<double> ones(count, 1.0);
        std::vector<double> out(count);
        allreduce(comm, ones, out, premul_sum{static_cast<double>(comm.rank() + 1)});
        for (const double value : out) require(value == size * (size + 1) / 2, "premul_sum " + ranks::with(size));

        const std::vector<std::int64_t> in(count, 10 * comm.rank() - 5);
        const std::int64_t average = (10 * size * (size - 1) / 2 - 5 * size) / size;
        std::vector<std::int64_t> averages(count);
        allreduce(comm, in, averages, avg{});
        for (const std::int64_t value : averages) require(value == average, "avg by allreduce " + ranks::with(size));
        averages.assign(count, 0);
        reduce(comm, in, averages, size - 1, avg{});
        for (const std::int64_t value : averages)
          require(value == (comm.rank() == size - 1 ? average : 0), "avg by reduce " + ranks::with(size));
        averages.assign(part, 0);
        reduce_scatter(comm, in, averages, avg{});
        for (const std::int64_t value : averages)
          require(value == average, "avg by reduce_scatter " + ranks::with(size));
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}
