// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ringcoll/allgather.hpp>
#include <ringcoll/alltoall.hpp>
#include <ringcoll/barrier.hpp>
#include <ringcoll/broadcast.hpp>
#include <ringcoll/gather.hpp>
#include <ringcoll/reduce.hpp>
#include <ringcoll/reduce_scatter.hpp>
#include <ringcoll/scatter.hpp>

#include "transport/ranks.hpp"

using namespace ringcoll;
using ranks::random_bits;
using ranks::require;

namespace {

// Up to 16 ranks everybody sends to everybody; 17 are for the ring.
constexpr int sizes[] = {1, 2, 3, 4, 5, 8, 13, 17};
constexpr std::size_t counts[] = {0, 1, 2, 7, 64, 1000, 4097};
constexpr std::size_t several_rounds = 20'000;  // of 8 bytes, 8192 of which fit a message

using Number = std::uint64_t;

/// Element i of what rank `rank` has. Sums of these are multiples of them, so no reference needs a loop over all ranks.
Number number(int rank, std::size_t i) { return (i + 1) * 0x9e3779b97f4a7c15 * static_cast<Number>(rank + 1); }
Number sum_over_ranks(int size, std::size_t i) { return number(0, i) * static_cast<Number>(size * (size + 1) / 2); }

/// What a user may have: no number, no default value, an odd size.
struct Record {
  std::uint32_t rank, index;
  std::uint8_t tail[3];
  Record() = delete;
  Record(int r, std::size_t i)
      : rank(static_cast<std::uint32_t>(r)), index(static_cast<std::uint32_t>(i)), tail{1, 2, 3} {}
  friend bool operator==(const Record&, const Record&) = default;
};

template <class T>
T element(int rank, std::size_t i) {
  if constexpr (std::is_same_v<T, Record>) return Record(rank, i);
  else return static_cast<T>(number(rank, i));
}
template <class T>
std::vector<T> elements(int rank, std::size_t count, std::size_t first = 0) {
  std::vector<T> data;
  data.reserve(count);
  for (std::size_t i = 0; i < count; ++i) data.push_back(element<T>(rank, first + i));
  return data;
}
template <class T>
std::vector<T> blank(std::size_t count) {
  return std::vector<T>(count, element<T>(999, 999'999));
}

/// For every root and count, if it is not too much.
template <class F>
void for_counts(int size, F&& f) {
  for (const std::size_t count : counts) f(count);
  if (size <= 3 || size == 17) f(several_rounds);
}
template <class F>
void for_counts_and_roots(int size, F&& f) {
  for_counts(size, [&](std::size_t count) {
    for (int root = 0; root < size; ++root)
      if (count != several_rounds || root == size - 1) f(count, root);
  });
}

std::string told(const char* what, std::size_t count, int size, int root = none) {
  return std::string(what) + " of " + std::to_string(count) +
         (root == none ? "" : " with root " + std::to_string(root)) + " " + ranks::with(size);
}

/// Ragged, with zeros, the same on all ranks; the longest takes several rounds if `longest` is large.
std::vector<std::size_t> ragged(int size, std::size_t longest, std::uint64_t salt) {
  std::vector<std::size_t> parts(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::uint64_t bits = random_bits(salt, i, size);
    parts[i] = bits % 3 == 0 ? 0 : (bits >> 8) % (longest + 1);
  }
  return parts;
}
std::size_t total(std::span<const std::size_t> parts) {
  return std::accumulate(parts.begin(), parts.end(), std::size_t{0});
}
std::size_t offset(std::span<const std::size_t> parts, int rank) {
  return total(parts.first(static_cast<std::size_t>(rank)));
}

template <class T>
void check_movers(Communicator& comm) {
  const int size = comm.size(), rank = comm.rank();
  const auto n = static_cast<std::size_t>(size), r = static_cast<std::size_t>(rank);
  const auto whole_of_all = [&](std::size_t part) {
    std::vector<T> all;
    for (int peer = 0; peer < size; ++peer)
      for (std::size_t i = 0; i < part; ++i) all.push_back(element<T>(peer, i));
    return all;
  };

  for_counts(size, [&](std::size_t count) {
    const std::vector<T> own = elements<T>(rank, count), all = whole_of_all(count);
    std::vector<T> out = blank<T>(count * n);
    allgather(comm, own, out);
    require(out == all, told("allgather", count, size));
    out = blank<T>(count * n);
    std::copy(own.begin(), own.end(), out.begin() + static_cast<std::ptrdiff_t>(r * count));
    allgather(comm, std::span<const T>(out).subspan(r * count, count), out);
    require(out == all, told("allgather in place", count, size));

    const std::vector<T> to_all = elements<T>(rank, count * n);
    std::vector<T> from_all;
    for (int peer = 0; peer < size; ++peer)
      for (std::size_t i = 0; i < count; ++i) from_all.push_back(element<T>(peer, r * count + i));
    out = blank<T>(count * n);
    alltoall(comm, to_all, out);
    require(out == from_all, told("alltoall", count, size));
    out = to_all;
    alltoall(comm, out, out);
    require(out == from_all, told("alltoall in place", count, size));
  });

  for_counts_and_roots(size, [&](std::size_t count, int root) {
    const bool at_root = rank == root;
    std::vector<T> data = at_root ? elements<T>(root, count) : blank<T>(count);
    broadcast(comm, data, root);
    require(data == elements<T>(root, count), told("broadcast", count, size, root));

    const std::vector<T> own = elements<T>(rank, count), all = at_root ? whole_of_all(count) : blank<T>(0);
    std::vector<T> out = blank<T>(at_root ? count * n : 0);
    gather(comm, own, out, root);
    require(out == all, told("gather", count, size, root));
    if (at_root) {
      out = blank<T>(count * n);
      std::copy(own.begin(), own.end(), out.begin() + static_cast<std::ptrdiff_t>(r * count));
      gather(comm, std::span<const T>(out).subspan(r * count, count), out, root);
    } else {
      gather(comm, own, out, root);
    }
    require(out == all, told("gather in place", count, size, root));

    const std::vector<T> whole = elements<T>(root, at_root ? count * n : 0), part = elements<T>(root, count, r * count);
    out = blank<T>(count);
    scatter(comm, whole, out, root);
    require(out == part, told("scatter", count, size, root));
    std::vector<T> inout = whole;
    if (at_root) {
      scatter(comm, inout, std::span(inout).subspan(r * count, count), root);
      require(inout == whole, told("scatter in place at the root", count, size, root));
    } else {
      out = blank<T>(count);
      scatter(comm, std::span<const T>(), out, root);
      require(out == part, told("scatter in place", count, size, root));
    }
  });
}

}  // namespace

TEST_CASE("allgather, alltoall, broadcast, gather and scatter move numbers to where they belong") {
  for (const int size : sizes) CHECK_EQ(ranks::failure(size, &check_movers<Number>), "");
}

TEST_CASE("... and bytes, and structures that have no default value") {
  for (const int size : {1, 2, 3, 8}) CHECK_EQ(ranks::failure(size, &check_movers<std::uint8_t>), "");
  for (const int size : {1, 2, 3, 8}) CHECK_EQ(ranks::failure(size, &check_movers<Record>), "");
}

TEST_CASE("reduce and reduce_scatter are what adding up says, for every root, in place and not") {
  for (const int size : sizes) {
    const auto on_rank = [&](Communicator& comm) {
      const int rank = comm.rank();
      const auto n = static_cast<std::size_t>(size), r = static_cast<std::size_t>(rank);
      const auto sums = [&](std::size_t first, std::size_t count) {
        std::vector<Number> data(count);
        for (std::size_t i = 0; i < count; ++i) data[i] = sum_over_ranks(size, first + i);
        return data;
      };
      for_counts_and_roots(size, [&](std::size_t count, int root) {
        const std::vector<Number> in = elements<Number>(rank, count);
        std::vector<Number> out(rank == root ? count : 0), inout = in;
        reduce(comm, in, out, root);
        if (rank == root) require(out == sums(0, count), told("reduce", count, size, root));
        reduce(comm, inout, inout, root);
        require(inout == (rank == root ? sums(0, count) : in), told("reduce in place", count, size, root));
      });
      for_counts(size, [&](std::size_t count) {
        const std::vector<Number> in = elements<Number>(rank, count * n);
        std::vector<Number> out(count), inout = in;
        reduce_scatter(comm, in, out);
        require(out == sums(r * count, count), told("reduce_scatter", count, size));
        const std::span<Number> own = std::span(inout).subspan(r * count, count);
        reduce_scatter(comm, inout, own);
        require(std::ranges::equal(own, out), told("reduce_scatter in place", count, size));
      });
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("the v variants take parts of any length, none too, in place and not") {
  for (const int size : sizes) {
    const auto on_rank = [&](Communicator& comm) {
      const int rank = comm.rank();
      const auto r = static_cast<std::size_t>(rank);
      for (std::uint64_t turn = 0; turn < 14; ++turn) {
        const std::size_t longest = turn == 0 ? 0 : turn < 10 ? 40 : size <= 5 ? 40'000 : 1000;
        const std::vector<std::size_t> parts = ragged(size, longest, turn);
        const std::size_t before = offset(parts, rank), own_count = parts[r], whole = total(parts);
        const std::string what = "turn " + std::to_string(turn) + " " + ranks::with(size);
        std::vector<Number> all;
        for (int peer = 0; peer < size; ++peer)
          for (std::size_t i = 0; i < parts[static_cast<std::size_t>(peer)]; ++i) all.push_back(number(peer, i));
        const std::vector<Number> own = elements<Number>(rank, own_count);
        const auto own_part_of = [&](std::vector<Number>& data) { return std::span(data).subspan(before, own_count); };

        std::vector<Number> out(whole);
        allgatherv(comm, own, out, parts);
        require(out == all, "allgatherv " + what);
        out.assign(whole, 0);
        std::ranges::copy(own, own_part_of(out).begin());
        allgatherv(comm, own_part_of(out), out, parts);
        require(out == all, "allgatherv in place " + what);

        const int root = static_cast<int>(random_bits(turn) % static_cast<std::uint64_t>(size));
        const bool at_root = rank == root;
        const std::vector<std::size_t> nobody;
        out.assign(at_root ? whole : 0, 0);
        gatherv(comm, own, out, at_root ? parts : nobody, root);
        require(out == (at_root ? all : std::vector<Number>{}), "gatherv " + what);
        if (at_root) {
          out.assign(whole, 0);
          std::ranges::copy(own, own_part_of(out).begin());
          gatherv(comm, own_part_of(out), out, parts, root);
          require(out == all, "gatherv in place " + what);
        } else {
          gatherv(comm, own, std::span<Number>(), {}, root);
        }

        std::vector<Number> from_root = at_root ? elements<Number>(root, whole) : std::vector<Number>{};
        const std::vector<Number> expected = elements<Number>(root, own_count, before);
        out.assign(own_count, 0);
        scatterv(comm, from_root, out, at_root ? parts : nobody, root);
        require(out == expected, "scatterv " + what);
        if (at_root) {
          scatterv(comm, from_root, own_part_of(from_root), parts, root);
          require(from_root == elements<Number>(root, whole), "scatterv in place " + what);
        } else {
          out.assign(own_count, 0);
          scatterv(comm, std::span<const Number>(), out, {}, root);
          require(out == expected, "scatterv in place " + what);
        }

        std::vector<Number> in = elements<Number>(rank, whole), sums;
        for (std::size_t i = 0; i < own_count; ++i) sums.push_back(sum_over_ranks(size, before + i));
        out.assign(own_count, 0);
        reduce_scatterv(comm, in, out, parts);
        require(out == sums, "reduce_scatterv " + what);
        reduce_scatterv(comm, in, own_part_of(in), parts);
        require(std::ranges::equal(own_part_of(in), sums), "reduce_scatterv in place " + what);

        // Every pair of ranks has a length of its own.
        std::vector<std::size_t> to, from;
        for (int peer = 0; peer < size; ++peer) {
          to.push_back(ragged(size, longest, 1000 * turn + r)[static_cast<std::size_t>(peer)]);
          from.push_back(ragged(size, longest, 1000 * turn + static_cast<std::uint64_t>(peer))[r]);
        }
        std::vector<Number> received(total(from)), expected_from_all;
        for (int peer = 0; peer < size; ++peer) {
          const std::vector<std::size_t> theirs = ragged(size, longest, 1000 * turn + static_cast<std::uint64_t>(peer));
          const std::vector<Number> part = elements<Number>(peer, theirs[r], offset(theirs, rank));
          expected_from_all.insert(expected_from_all.end(), part.begin(), part.end());
        }
        alltoallv(comm, elements<Number>(rank, total(to)), to, received, from);
        require(received == expected_from_all, "alltoallv " + what);
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("one part may be very much longer than the others") {
  for (const int size : {2, 3, 5}) {
    for (int longest = 0; longest < size; ++longest) {
      const auto on_rank = [&](Communicator& comm) {
        std::vector<std::size_t> parts(static_cast<std::size_t>(size), 1);
        parts[static_cast<std::size_t>(longest)] = 200'000;
        const std::size_t own_count = parts[static_cast<std::size_t>(comm.rank())];
        std::vector<Number> all(total(parts));
        allgatherv(comm, elements<Number>(comm.rank(), own_count), all, parts);
        std::size_t at = 0;
        for (int peer = 0; peer < size; ++peer)
          for (std::size_t i = 0; i < parts[static_cast<std::size_t>(peer)]; ++i)
            if (all[at++] != number(peer, i)) require(false, "allgatherv " + ranks::with(size));
        std::vector<Number> own(own_count);
        reduce_scatterv(comm, elements<Number>(comm.rank(), all.size()), own, parts);
        for (std::size_t i = 0; i < own_count; ++i)
          if (own[i] != sum_over_ranks(size, offset(parts, comm.rank()) + i))
            require(false, "reduce_scatterv " + ranks::with(size));
        // Only rank `longest` sends much, and only to itself and the next one.
        std::vector<std::size_t> to(parts.size(), 1), from(parts.size(), 1);
        const int next = (longest + 1) % size;
        if (comm.rank() == longest)
          to[static_cast<std::size_t>(next)] = to[static_cast<std::size_t>(longest)] = 150'000;
        if (comm.rank() == longest || comm.rank() == next) from[static_cast<std::size_t>(longest)] = 150'000;
        std::vector<Number> received(total(from));
        alltoallv(comm, std::vector<Number>(total(to), static_cast<Number>(comm.rank())), to, received, from);
        at = 0;
        for (int peer = 0; peer < size; ++peer)
          for (std::size_t i = 0; i < from[static_cast<std::size_t>(peer)]; ++i)
            if (received[at++] != static_cast<Number>(peer)) require(false, "alltoallv " + ranks::with(size));
      };
      CHECK_EQ(ranks::failure(size, on_rank), "");
    }
  }
}

TEST_CASE("nobody leaves a barrier before everybody has come") {
  for (const int size : sizes) {
    std::atomic<int> came{0};
    const auto on_rank = [&](Communicator& comm) {
      for (int turn = 1; turn <= 50; ++turn) {
        ++came;
        barrier(comm);
        require(came >= turn * size, "left the barrier too early " + ranks::with(size));
        barrier(comm);
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("arrays, spans and parts of vectors are buffers") {
  const auto on_rank = [&](Communicator& comm) {
    int numbers[4] = {comm.rank(), 1, 2, 3};
    broadcast(comm, numbers, 2);
    require(numbers[0] == 2, "a C array");
    std::array<int, 3> all{};
    allgather(comm, std::array{comm.rank()}, all);
    require(all == std::array{0, 1, 2}, "std::array");
    std::vector<int> vector(9, comm.rank());
    broadcast(comm, std::span(vector).subspan(3, 3), 1);
    require(vector ==
                std::vector<int>{comm.rank(), comm.rank(), comm.rank(), 1, 1, 1, comm.rank(), comm.rank(), comm.rank()},
            "a part of a vector");
  };
  CHECK_EQ(ranks::failure(3, on_rank), "");
}
