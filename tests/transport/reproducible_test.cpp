// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <ringcoll/ringcoll.hpp>

#include "transport/ranks.hpp"

// `reproducible`: the bits of a sum depend on the inputs, their ranks and the number of ranks, and on nothing else.

using namespace ringcoll;

namespace {

constexpr std::size_t longest = 70'001;  // several messages, and a ragged end

/// Numbers of very different sizes, so that every other order of summing shows.
template <class T>
std::vector<T> inputs_of(int rank) {
  std::mt19937_64 random(ranks::seed() + static_cast<std::uint64_t>(rank));
  std::vector<T> values(longest);
  for (T& value : values) {
    const auto bits = random();
    const float scale = static_cast<float>(1 << (bits >> 20) % 12) / 64;
    value = static_cast<T>((static_cast<float>(bits % 20'000) - 10'000) / 10'000 * scale);
  }
  return values;
}

/// The promised expression, in the plainest way: the binomial tree over the ranks from `first`, `reach` at most.
template <class T>
T canonical(const std::vector<std::vector<T>>& all, std::size_t i, std::size_t first, std::size_t reach) {
  T sum = all[first][i];
  for (std::size_t distance = 1; distance < reach && first + distance < all.size(); distance *= 2) {
    const T right = canonical(all, i, first + distance, distance);
    if constexpr (std::is_same_v<T, double>) sum = sum + right;
    else sum = static_cast<T>(static_cast<float>(sum) + static_cast<float>(right));
  }
  return sum;
}

template <class T>
bool same_bits(const T* a, const T* b, std::size_t count) {
  return count == 0 || std::memcmp(a, b, count * sizeof(T)) == 0;
}

template <class T>
std::string broken(int size) {
  std::vector<std::vector<T>> all;
  for (int rank = 0; rank < size; ++rank) all.push_back(inputs_of<T>(rank));
  std::vector<T> expected(longest);
  for (std::size_t i = 0; i < longest; ++i) expected[i] = canonical(all, i, 0, all.size());

  return ranks::failure(size, [&](Communicator& comm) {
    const std::vector<T>& own = all[static_cast<std::size_t>(comm.rank())];
    // Parts of any length, anywhere, by any schedule: as fusion and chunking would have it.
    for (const char* const schedule :
         {static_cast<const char*>(nullptr), "tree", "canonical_direct", "canonical_two_shot"}) {
      for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{1003}}) {
        for (const std::size_t count :
             {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{3000}, longest - begin}) {
          std::vector<T> out(own.begin() + static_cast<std::ptrdiff_t>(begin),
                             own.begin() + static_cast<std::ptrdiff_t>(begin + count));
          allreduce(comm, out, sum{}, {.schedule = size > 1 ? schedule : nullptr, .reproducible = true});
          ranks::require(same_bits(out.data(), &expected[begin], count),
                         "allreduce of " + std::to_string(count) + " by " + (schedule ? schedule : "default"));
        }
      }
    }
    const std::size_t part = longest / static_cast<std::size_t>(size);
    std::vector<T> out(part), whole(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(part * all.size()));
    reduce_scatter(comm, whole, out, sum{}, {.reproducible = true});
    ranks::require(same_bits(out.data(), &expected[part * static_cast<std::size_t>(comm.rank())], part),
                   "reduce_scatter");
    for (int root = 0; root < size; root += 3) {
      std::vector<T> at_root(longest);
      reduce(comm, own, at_root, root, sum{}, {.reproducible = true});
      if (comm.rank() == root) ranks::require(same_bits(at_root.data(), expected.data(), longest), "reduce");
      start_reduce(comm, own, at_root, root, sum{}, {.reproducible = true}).wait();
      if (comm.rank() == root) ranks::require(same_bits(at_root.data(), expected.data(), longest), "start_reduce");
    }
  });
}

}  // namespace

TEST_CASE(
    "reproducible sums have the promised bits, whatever the length, the offset, the collective and the schedule") {
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8}) {
    CHECK_EQ(broken<float>(size), "");
    CHECK_EQ(broken<float16>(size), "");
  }
  CHECK_EQ(broken<double>(6), "");
  CHECK_EQ(broken<bfloat16>(7), "");
}

TEST_CASE("a schedule that is not reproducible is refused where that was asked for") {
  CHECK_EQ(ranks::failure(3,
                          [](Communicator& comm) {
                            std::vector<float> data(10);
                            try {
                              allreduce(comm, data, sum{}, {.schedule = "ring", .reproducible = true});
                            } catch (const Error& error) {
                              ranks::require(error.code() == Errc::invalid_argument, error.what());
                              const std::string what = error.what();
                              ranks::require(what.find("no schedule ring for this call; there are tree, canonical") !=
                                                 std::string::npos,
                                             what);
                              return;
                            }
                            throw std::runtime_error("not refused");
                          }),
           "");
}
