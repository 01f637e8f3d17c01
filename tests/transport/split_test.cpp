// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/ringcoll.hpp>

#include "transport/ranks.hpp"

using namespace ringcoll;
using ranks::random_bits;
using ranks::require;

namespace {

/// What each rank of a communicator asks split for: the same random wishes, seen by all.
struct Wish {
  int color, key;
};
Wish wish_of(std::uint64_t game, int rank, int size) {
  const std::uint64_t bits = random_bits(game, rank, size);
  const int colors = 1 + static_cast<int>(random_bits(game, size) % 4);
  return {bits % 5 == 0 ? none : static_cast<int>((bits >> 8) % static_cast<std::uint64_t>(colors)),
          static_cast<int>((bits >> 20) % 7) - 3};  // keys may be equal, and negative
}

/// The ranks of `color`, in the order that the contract of split says.
std::vector<int> members_of(std::uint64_t game, int color, int size) {
  std::vector<int> members;
  for (int rank = 0; rank < size; ++rank)
    if (wish_of(game, rank, size).color == color) members.push_back(rank);
  std::stable_sort(members.begin(), members.end(),
                   [&](int a, int b) { return wish_of(game, a, size).key < wish_of(game, b, size).key; });
  return members;
}

/// Which ranks of the first communicator are in `comm`, in its order.
std::vector<int> who(const Communicator& comm, int first_rank) {
  std::vector<int> all(static_cast<std::size_t>(comm.size()));
  allgather(comm, std::vector<int>{first_rank}, all);
  return all;
}

}  // namespace

TEST_CASE("split makes a communicator of each color, ordered by key and then by rank") {
  for (const int size : {1, 2, 3, 5, 8, 13}) {
    for (std::uint64_t game = 0; game < 8; ++game) {
      const auto on_rank = [&](Communicator& comm) {
        const Wish wish = wish_of(game, comm.rank(), size);
        const Communicator part = comm.split(wish.color, wish.key);
        require(static_cast<bool>(part) == (wish.color != none), "color none gives no communicator");
        if (!part) return;
        const std::vector<int> members = members_of(game, wish.color, size);
        require(part.size() == static_cast<int>(members.size()), "size " + ranks::with(size));
        require(members[static_cast<std::size_t>(part.rank())] == comm.rank(), "rank " + ranks::with(size));
        require(who(part, comm.rank()) == members, "members " + ranks::with(size));
        require(part.one_host() == comm.one_host(), "one_host");
      };
      CHECK_EQ(ranks::failure(size, on_rank), "");
    }
  }
}

TEST_CASE("splits may be split again, down to single ranks, and the parents go on") {
  for (const int size : {2, 5, 8, 13}) {
    const auto on_rank = [&](Communicator& comm) {
      std::vector<Communicator> family = {comm};
      while (family.back().size() > 1) {
        const Communicator part = family.back().split(family.back().rank() % 2, -family.back().rank());
        std::int64_t total = part.rank();
        allreduce(part, std::span(&total, 1));
        require(total == part.size() * (part.size() - 1) / 2, "a part of a part " + ranks::with(size));
        family.push_back(part);
      }
      while (family.size() > 1) {  // the youngest go first
        family.pop_back();
        barrier(family.back());
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("a part lives on when the communicator that it came from is gone") {
  for (const int size : {2, 4, 7}) {
    const auto on_rank = [&](Communicator& comm) {
      const Communicator part = comm.split(comm.rank() % 2);
      comm = Communicator();
      std::int64_t total = 1;
      allreduce(part, std::span(&total, 1));
      require(total == part.size(), "the part alone");
      const Communicator again = part.split(0, -part.rank());
      require(again.rank() == part.size() - 1 - part.rank(), "a split of the part");
      barrier(again);
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("collectives of parts and of the whole may follow each other in any order") {
  for (const int size : {2, 3, 6, 9}) {
    const auto on_rank = [&](Communicator& comm) {
      const Communicator row = comm.split(comm.rank() / 3), column = comm.split(comm.rank() % 3, -comm.rank());
      const Communicator* const all[] = {&comm, &row, &column};
      for (std::uint64_t turn = 0; turn < 60; ++turn) {
        const Communicator& chosen = *all[random_bits(turn, size) % 3];
        const auto n = static_cast<std::size_t>(chosen.size());
        const std::size_t count = 1 + random_bits(turn) % 3000;
        std::vector<std::int32_t> data(count, chosen.rank() + 1), whole(count * n);
        switch (random_bits(turn, 9) % 4) {
          case 0:
            allreduce(chosen, data);
            require(data.back() == chosen.size() * (chosen.size() + 1) / 2, "allreduce");
            break;
          case 1:
            allgather(chosen, data, whole);
            for (std::size_t i = 0; i < n; ++i) require(whole[i * count] == static_cast<int>(i) + 1, "allgather");
            break;
          case 2:
            broadcast(chosen, data, chosen.size() - 1);
            require(data.front() == chosen.size(), "broadcast");
            break;
          default: {
            Work first = start_allreduce(chosen, data);
            const Communicator nested = chosen.split(chosen.rank() % 2);  // while something is under way
            first.wait();
            require(data.back() == chosen.size() * (chosen.size() + 1) / 2, "start_allreduce around a split");
            barrier(nested);
          }
        }
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("live communicators of a rank have contexts of their own, which all their ranks know") {
  constexpr int size = 6;
  std::mutex mutex;
  std::map<std::uint64_t, std::set<std::pair<int, int>>> users;  // context: (number of the split, color)
  const auto on_rank = [&](Communicator& comm) {
    std::vector<Communicator> parts;
    const auto remember = [&](const Communicator& part, int number, int color) {
      const std::lock_guard lock(mutex);
      users[part.member().setup().context].insert({number, color});
    };
    remember(comm, 0, 0);
    for (int number = 1; number <= 20; ++number) {
      const int color = static_cast<int>(random_bits(number, comm.rank()) % 3);
      parts.push_back(comm.split(color));
      remember(parts.back(), number, color);
    }
    // And those of another generation, which count their splits from 1 again.
    const Communicator same = comm.split(0);
    remember(same, 100, 0);
    for (int number = 1; number <= 5; ++number) {
      parts.push_back(same.split(0));
      remember(parts.back(), 100 + number, 0);
    }
  };
  CHECK_EQ(ranks::failure(size, on_rank), "");
  for (const auto& [context, of] : users) CHECK(of.size() == 1);
  CHECK(users.size() > 30);
}

TEST_CASE("a negative color that is not none is refused, and nothing has happened") {
  const auto on_rank = [](Communicator& comm) {
    for (const int color : {-2, -100, std::numeric_limits<int>::min()}) {
      try {
        static_cast<void>(comm.split(color));
        require(false, "accepted");
      } catch (const Error& e) {
        require(e.code() == Errc::invalid_argument, e.what());
        require(std::string(e.what()).find("color " + std::to_string(color)) != std::string::npos, e.what());
      }
    }
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(3, on_rank), "");
}

TEST_CASE("when one part fails, the whole and the other parts go on") {
  const auto on_rank = [](Communicator& comm) {
    const Communicator part = comm.split(comm.rank() % 2);
    if (comm.rank() % 2 == 0) {
      part.abort();
      try {
        barrier(part);
        require(false, "an aborted part goes on");
      } catch (const Error& e) {
        require(e.code() == Errc::aborted, e.what());
      }
    } else {
      barrier(part);
    }
    barrier(comm);
    const Communicator again = comm.split(comm.rank() % 2);
    std::int64_t total = 1;
    allreduce(again, std::span(&total, 1));
    require(total == again.size(), "the part, split once more");
  };
  CHECK_EQ(ranks::failure(5, on_rank), "");
}

TEST_CASE("a split is no allgather, even of as many bytes") {
  std::string failures;
  std::mutex mutex;
  try {
    local::run(2, [&](Communicator& comm) {
      try {
        if (comm.rank() == 0) {
          static_cast<void>(comm.split(0));
        } else {
          std::vector<std::byte> own(24), all(48);
          allgather(comm, own, all);
        }
      } catch (const Error& error) {
        const std::lock_guard lock(mutex);
        if (error.code() == Errc::mismatch) failures += error.what();
        throw;
      }
    });
  } catch (const Error&) {  // told apart above
  }
  CHECK(failures.find("called split") != std::string::npos);
  CHECK(failures.find("called allgather") != std::string::npos);
}
