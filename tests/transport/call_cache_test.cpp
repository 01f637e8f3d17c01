// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <ringcoll/ringcoll.hpp>

#include "transport/ranks.hpp"

// A communicator remembers its latest calls, to choose a schedule once and not for each of them. Calls that differ in
// one thing only must not be taken for each other.

using namespace ringcoll;

namespace {

/// What rank `rank` gives in call `call`: small, so that every type holds every result.
int given(int rank, int call, std::size_t i) { return (rank + call + static_cast<int>(i)) % 3; }

template <class T, class Op>
std::string allreduces(const Communicator& comm, int call, std::size_t count, const Op& op, int (*expected)(int, int)) {
  std::vector<T> data(count);
  for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<T>(given(comm.rank(), call, i));
  allreduce(comm, data, op);
  for (std::size_t i = 0; i < count; ++i) {
    int right = given(0, call, i);
    for (int rank = 1; rank < comm.size(); ++rank) right = expected(right, given(rank, call, i));
    if (data[i] != static_cast<T>(right)) return "allreduce gave another result";
  }
  return "";
}

template <class T>
std::string one_of_type(const Communicator& comm, int call, std::size_t count, unsigned which, int root) {
  constexpr auto add = [](int a, int b) { return a + b; };
  switch (which) {
    case 0: return allreduces<T>(comm, call, count, sum{}, add);
    case 1: return allreduces<T>(comm, call, count, max{}, [](int a, int b) { return std::max(a, b); });
    case 2: return allreduces<T>(comm, call, count, [](T a, T b) { return static_cast<T>(a + b); }, add);
    case 3: {  // the left operand: right only if taken in rank order
      const auto first = [](T a, T) { return a; };
      return allreduces<T>(comm, call, count, ordered{first}, [](int a, int) { return a; });
    }
    case 4: {
      std::vector<T> data(count, static_cast<T>(comm.rank() == root ? call % 100 : 101));
      broadcast(comm, data, root);
      return std::count(data.begin(), data.end(), static_cast<T>(call % 100)) == std::ssize(data) ? "" : "broadcast";
    }
    default: {
      std::vector<T> in(count, static_cast<T>(comm.rank())), out(count);
      reduce(comm, in, out, root);
      const T right = static_cast<T>(comm.size() * (comm.size() - 1) / 2);
      return comm.rank() != root || std::count(out.begin(), out.end(), right) == std::ssize(out) ? "" : "reduce";
    }
  }
}

}  // namespace

TEST_CASE("any sequence of calls that are alike but for the type, the op, the root or the count is right") {
  for (const int size : {1, 2, 3, 5}) {
    CHECK_EQ(ranks::failure(size,
                            [&](Communicator& comm) {
                              std::mt19937 random(11);  // the same calls on all ranks
                              for (int call = 0; call < 2000; ++call) {
                                const std::size_t count = std::vector<std::size_t>{0, 1, 4, 8, 1000}[random() % 5];
                                const auto which = static_cast<unsigned>(random() % 6),
                                           type = static_cast<unsigned>(random() % 3);
                                const int root = static_cast<int>(random() % static_cast<unsigned>(size));
                                const std::string wrong =
                                    type == 0   ? one_of_type<float>(comm, call, count, which, root)
                                    : type == 1 ? one_of_type<std::int32_t>(comm, call, count, which, root)
                                                : one_of_type<std::uint64_t>(comm, call, count, which, root);
                                ranks::require(wrong.empty(), wrong + " in call " + std::to_string(call));
                              }
                            }),
             "");
  }
}
