// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ringcoll/ringcoll.hpp>

#include "transport/ranks.hpp"

using namespace ringcoll;
using namespace std::chrono_literals;
using ranks::random_bits;
using ranks::require;

namespace {

constexpr std::size_t long_count = 100'000;  // of 8 bytes: several rounds

using Number = std::int64_t;

Number number(int rank, std::size_t i) { return 1000 * rank + static_cast<Number>(i % 997); }
Number total_of(int size, std::size_t i) { return 500 * size * (size - 1) + size * static_cast<Number>(i % 997); }

std::vector<Number> numbers(int rank, std::size_t count) {
  std::vector<Number> data(count);
  for (std::size_t i = 0; i < count; ++i) data[i] = number(rank, i);
  return data;
}

/// One call under way: its buffers, and a look at them when it is complete.
struct Started {
  std::vector<Number> in, out;
  std::vector<std::size_t> counts;
  Work work;
  std::function<bool(const std::vector<Number>& out)> right;
  std::string name;

  void check() const { require(right(out), name + ", started, is wrong"); }
};

/// The `kind`th of the start_* functions; every rank starts the same.
constexpr int kinds = 14;
std::unique_ptr<Started> start(const Communicator& comm, int kind, std::size_t count) {
  auto started = std::make_unique<Started>();
  Started& s = *started;
  const int size = comm.size(), rank = comm.rank(), root = static_cast<int>(count) % size;
  const auto n = static_cast<std::size_t>(size), r = static_cast<std::size_t>(rank);
  const auto gathered = [count](const std::vector<Number>& out) {
    for (std::size_t i = 0; i < out.size(); ++i)
      if (out[i] != number(static_cast<int>(i / count), i % count)) return false;
    return true;
  };
  const auto summed = [size](std::size_t first) {
    return [size, first](const std::vector<Number>& out) {
      for (std::size_t i = 0; i < out.size(); ++i)
        if (out[i] != total_of(size, first + i)) return false;
      return true;
    };
  };
  s.counts.assign(n, count);
  s.in = numbers(rank, count);
  s.out.assign(count, -1);
  switch (kind) {
    case 0:
      s.name = "allreduce", s.right = summed(0);
      s.work = start_allreduce(comm, s.in, s.out);
      break;
    case 1:
      s.name = "allreduce in place", s.right = summed(0), s.out = s.in;
      s.work = start_allreduce(comm, s.out, ordered{[](Number a, Number b) { return a + b; }});
      break;
    case 2:
      s.name = "reduce_scatter", s.right = summed(r * count), s.in = numbers(rank, count * n);
      s.work = start_reduce_scatter(comm, s.in, s.out);
      break;
    case 3:
      s.name = "reduce_scatterv", s.right = summed(r * count), s.in = numbers(rank, count * n);
      s.work = start_reduce_scatterv(comm, s.in, s.out, s.counts);
      break;
    case 4:
      s.name = "allgather", s.right = gathered, s.out.assign(count * n, -1);
      s.work = start_allgather(comm, s.in, s.out);
      break;
    case 5:
      s.name = "allgatherv", s.right = gathered, s.out.assign(count * n, -1);
      s.work = start_allgatherv(comm, s.in, s.out, s.counts);
      break;
    case 6:
      s.name = "broadcast", s.out = numbers(rank, count);
      s.right = [root, count](const std::vector<Number>& out) { return out == numbers(root, count); };
      s.work = start_broadcast(comm, s.out, root);
      break;
    case 7:
      s.name = "reduce";
      s.right = [=](const std::vector<Number>& out) {
        return rank == root ? summed(0)(out) : out == std::vector<Number>(count, -1);
      };
      s.work = start_reduce(comm, s.in, s.out, root);
      break;
    case 8:
      s.name = "gather", s.right = gathered, s.out.assign(rank == root ? count * n : 0, -1);
      s.work = start_gather(comm, s.in, s.out, root);
      break;
    case 9:
      s.name = "gatherv", s.right = gathered, s.out.assign(rank == root ? count * n : 0, -1);
      s.work = start_gatherv(comm, s.in, s.out, s.counts, root);
      break;
    case 10:
    case 11:
      s.name = "scatter", s.in = numbers(rank, rank == root ? count * n : 0);
      s.right = [=](const std::vector<Number>& out) {
        for (std::size_t i = 0; i < count; ++i)
          if (out[i] != number(root, r * count + i)) return false;
        return true;
      };
      s.work = kind == 10 ? start_scatter(comm, s.in, s.out, root) : start_scatterv(comm, s.in, s.out, s.counts, root);
      break;
    case 12:
      s.name = "alltoall", s.in = numbers(rank, count * n), s.out.assign(count * n, -1);
      s.right = [=](const std::vector<Number>& out) {
        for (std::size_t i = 0; i < out.size(); ++i)
          if (out[i] != number(static_cast<int>(i / count), r * count + i % count)) return false;
        return true;
      };
      s.work =
          count % 2 == 0 ? start_alltoall(comm, s.in, s.out) : start_alltoallv(comm, s.in, s.counts, s.out, s.counts);
      break;
    default:
      s.name = "barrier", s.right = [](const std::vector<Number>&) { return true; };
      s.work = start_barrier(comm);
      break;
  }
  return started;
}

std::size_t threads_of_this_process() {
  using Tasks = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(std::distance(Tasks("/proc/self/task"), Tasks()));
}

/// The same random choices on every rank.
class Dice {
 public:
  explicit Dice(std::uint64_t game) : game_(game) {}
  std::uint64_t operator()(std::uint64_t sides) { return random_bits(game_, ++throw_) % sides; }

 private:
  std::uint64_t game_, throw_ = 0;
};

}  // namespace

TEST_CASE("every start_* does what the blocking call does") {
  for (const int size : {1, 2, 3, 5, 8, 17}) {
    const auto on_rank = [&](Communicator& comm) {
      for (const std::size_t count : {1u, 7u, 1000u})
        for (int kind = 0; kind < kinds; ++kind) {
          const auto started = start(comm, kind, count);
          started->work.wait();
          started->check();
          started->work.wait();  // once more does nothing
          require(started->work.test(), "complete stays complete");
        }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("many may be under way at once, waited for in any order, among blocking calls") {
  for (const int size : {1, 2, 3, 5, 8}) {
    for (std::uint64_t game = 0; game < 6; ++game) {
      const auto on_rank = [&](Communicator& comm) {
        Dice dice(game), own_dice(1000 * game + static_cast<std::uint64_t>(comm.rank()));
        std::vector<std::unique_ptr<Started>> under_way;
        for (int turn = 0; turn < 40; ++turn) {
          const std::size_t count = dice(20) == 0 ? 20'000 : 1 + dice(300);
          under_way.push_back(start(comm, static_cast<int>(dice(kinds)), count));
          if (dice(4) == 0) {
            Number total = comm.rank();
            allreduce(comm, std::span(&total, 1));
            require(total == size * (size - 1) / 2, "a blocking allreduce among others");
          }
          if (dice(8) == 0) barrier(comm);
          while (!under_way.empty() && own_dice(3) == 0) {  // in an order of this rank's own
            const auto at = under_way.begin() + static_cast<std::ptrdiff_t>(own_dice(under_way.size()));
            (*at)->work.wait();
            (*at)->check();
            under_way.erase(at);
          }
        }
        while (!under_way.empty()) {
          under_way.back()->work.wait();
          under_way.back()->check();
          under_way.pop_back();
        }
      };
      const std::string why = ranks::failure(size, on_rank);
      CHECK_MESSAGE(why == "", "game ", game, " ", ranks::with(size), ": ", why);
    }
  }
}

TEST_CASE("test() never waits, and becomes true without any wait()") {
  for (const int size : {1, 2, 3, 8}) {
    const auto on_rank = [&](Communicator& comm) {
      const auto started = start(comm, 0, long_count);
      const auto begin = std::chrono::steady_clock::now();
      while (!started->work.test()) {
        std::this_thread::yield();
        require(std::chrono::steady_clock::now() - begin < 60s, "test() is never true");
      }
      started->check();
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("test() is false while a rank is missing, and returns at once") {
  std::atomic<bool> tested{false};
  const auto on_rank = [&](Communicator& comm) {
    if (comm.rank() == 1)
      while (!tested) std::this_thread::yield();
    const auto started = start(comm, 0, 10);
    if (comm.rank() == 0) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < 100; ++i) require(!started->work.test(), "complete without rank 1");
      require(std::chrono::steady_clock::now() - begin < 2s, "test() waits");
      tested = true;
    }
    started->work.wait();
    started->check();
  };
  CHECK_EQ(ranks::failure(2, on_rank), "");
}

TEST_CASE("what was started advances while its callers do something else") {
  const auto on_rank = [](Communicator& comm) {
    const auto started = start(comm, 0, long_count);
    const auto end = std::chrono::steady_clock::now() + 60s;
    // Only looks at the result: nobody calls ringcoll.
    volatile Number* const last = &started->out[0];
    while (std::chrono::steady_clock::now() < end && *last == -1) std::this_thread::sleep_for(1ms);
    started->work.wait();
    started->check();
  };
#ifndef __SANITIZE_THREAD__  // this looks at the buffer of a call under way, which is a race
  CHECK_EQ(ranks::failure(2, on_rank), "");
#else
  static_cast<void>(on_rank);
#endif
}

TEST_CASE("a Work that is destroyed or replaced without wait() waits, so its buffers may go") {
  for (const int size : {2, 5}) {
    const auto on_rank = [&](Communicator& comm) {
      for (int turn = 0; turn < 10; ++turn) {
        {
          const auto forgotten = start(comm, turn % kinds, 5000);
        }
        std::vector<Number> a = numbers(comm.rank(), 3000), b = a;
        Work work = start_allreduce(comm, a);
        work = start_allreduce(comm, b);  // waits for the first
        require(a[5] == total_of(size, 5), "assignment waits");
        Work moved = std::move(work);
        require(work.test(), "nothing is left of a Work that was moved from");  // NOLINT(bugprone-use-after-move)
        moved.wait();
        require(b[5] == total_of(size, 5), "a Work that was moved");
      }
      std::vector<Number> last = numbers(comm.rank(), 3000);
      Work outlives = start_allreduce(comm, last);
      comm = Communicator();  // the Work keeps what it needs
      outlives.wait();
      require(last[5] == total_of(size, 5), "a Work outlives its communicator");
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("another thread may wait, several at once") {
  for (const int size : {2, 3}) {
    const auto on_rank = [&](Communicator& comm) {
      std::vector<std::unique_ptr<Started>> started;
      for (int i = 0; i < 8; ++i) started.push_back(start(comm, i, i % 2 == 0 ? 10 : 30'000));
      std::vector<std::thread> waiters;
      std::atomic<int> wrong{0};
      for (auto& s : started)
        waiters.emplace_back([&wrong, &s] {
          s->work.wait();
          if (!s->right(s->out)) ++wrong;
        });
      barrier(comm);  // while they wait
      for (std::thread& waiter : waiters) waiter.join();
      require(wrong == 0, "a wait in another thread");
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("a wait for what is complete returns although a blocking call is stuck on the communicator") {
  std::atomic<bool> waited{false};
  const auto on_rank = [&](Communicator& comm) {
    std::vector<Number> data = numbers(comm.rank(), 10);
    Work work = start_allreduce(comm, data);
    while (!work.test()) std::this_thread::yield();
    std::thread waiter;
    if (comm.rank() == 0)
      waiter = std::thread([&] {
        std::this_thread::sleep_for(50ms);  // until rank 0 is in the barrier
        work.wait();
        waited = true;
      });
    if (comm.rank() == 1) {
      const auto begin = std::chrono::steady_clock::now();
      while (!waited && std::chrono::steady_clock::now() - begin < 5s) std::this_thread::yield();
    }
    const bool in_time = comm.rank() == 0 || waited;
    barrier(comm);
    if (waiter.joinable()) waiter.join();
    require(in_time, "wait() for a complete call waits for the barrier");
  };
  CHECK_EQ(ranks::failure(2, on_rank), "");
}

TEST_CASE("messages between two ranks arrive in order, whatever their lengths") {
  for (const int size : {2, 3, 5}) {
    const auto on_rank = [&](Communicator& comm) {
      const int next = (comm.rank() + 1) % size, previous = (comm.rank() + size - 1) % size;
      for (std::uint64_t game = 0; game < 3; ++game) {
        Dice dice(game);
        std::vector<std::vector<Number>> in, out;
        Group group(comm);
        for (int i = 0; i < 30; ++i) {
          const std::size_t count = dice(10) == 0 ? 30'000 : dice(100);
          out.push_back(numbers(comm.rank() + i, count));
          in.emplace_back(count, -1);
        }
        for (std::size_t i = 0; i < in.size(); ++i) {
          group.send(out[i], next);
          group.recv(in[i], previous);
        }
        group.wait();
        for (std::size_t i = 0; i < in.size(); ++i)
          require(in[i] == numbers(previous + static_cast<int>(i), in[i].size()),
                  "message " + std::to_string(i) + " " + ranks::with(size));
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("blocking send and recv: a ring shift, long messages, many small ones, a message to itself") {
  for (const int size : {2, 3, 8}) {
    const auto on_rank = [&](Communicator& comm) {
      const int rank = comm.rank(), next = (rank + 1) % size, previous = (rank + size - 1) % size;
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, long_count}) {
        std::vector<Number> in(count), out = numbers(rank, count);
        if (rank == 0) {
          send(comm, out, next);
          recv(comm, in, previous);
        } else {
          recv(comm, in, previous);
          send(comm, out, next);
        }
        require(in == numbers(previous, count), "ring shift " + ranks::with(size));
      }
      Number one = 0;
      for (Number i = 0; i < 2000; ++i) {
        if (rank == 0) send(comm, std::span(&i, 1), 1);
        if (rank == 1) {
          recv(comm, std::span(&one, 1), 0);
          require(one == i, "many small messages");
        }
      }
      Group with_itself(comm);
      std::vector<Number> in(long_count), out = numbers(rank, long_count);
      with_itself.recv(in, rank);
      with_itself.send(out, rank);
      with_itself.wait();
      require(in == out, "a message to itself " + ranks::with(size));
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("a group cannot deadlock: long messages both ways, everybody with everybody, itself too, in any order") {
  for (const int size : {1, 2, 3, 5, 8}) {
    const auto on_rank = [&](Communicator& comm) {
      const std::size_t count = size <= 3 ? long_count : 9000;
      const auto n = static_cast<std::size_t>(size);
      const std::vector<Number> out = numbers(comm.rank(), count);
      std::vector<std::vector<Number>> in(n, std::vector<Number>(count));
      std::vector<int> order(2 * n);
      std::iota(order.begin(), order.end(), 0);
      for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[random_bits(comm.rank(), i, size) % i]);
      {
        Group group(comm);  // which waits at its end
        for (const int which : order) {
          if (which < size) group.send(out, which);
          else group.recv(in[static_cast<std::size_t>(which - size)], which - size);
        }
      }
      for (int peer = 0; peer < size; ++peer)
        require(in[static_cast<std::size_t>(peer)] == numbers(peer, count),
                "everybody with everybody " + ranks::with(size));
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("start_send and start_recv go beside collectives, blocking and not") {
  for (const int size : {2, 3, 5}) {
    const auto on_rank = [&](Communicator& comm) {
      const int rank = comm.rank(), next = (rank + 1) % size, previous = (rank + size - 1) % size;
      const std::vector<Number> out = numbers(rank, long_count);
      std::vector<Number> in(long_count), first(1);
      Work receives_first = start_recv(comm, first, previous), receives = start_recv(comm, in, previous);
      const auto collective = start(comm, 0, 5000);
      barrier(comm);
      Work sends_first = start_send(comm, std::span(out).first(1), next), sends = start_send(comm, out, next);
      Number total = 1;
      allreduce(comm, std::span(&total, 1));
      require(total == size, "a collective among messages");
      receives.wait();
      require(in == numbers(previous, long_count), "start_recv " + ranks::with(size));
      receives_first.wait();
      require(first[0] == in[0], "the first start_recv");
      sends.wait();
      sends_first.wait();
      collective->work.wait();
      collective->check();
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("communicators are independent: each may be used by a thread of its own, at the same time") {
  for (const int size : {2, 3, 4}) {
    const auto on_rank = [&](Communicator& comm) {
      constexpr int communicators = 4;
      std::vector<Communicator> comms;
      for (int i = 0; i < communicators; ++i) comms.push_back(comm.split(0, i % 2 == 0 ? comm.rank() : -comm.rank()));
      std::vector<std::string> failures(communicators);
      std::vector<std::thread> threads;
      for (int i = 0; i < communicators; ++i)
        threads.emplace_back([&, i] {
          try {
            Dice dice(static_cast<std::uint64_t>(i));
            const Communicator& own = comms[static_cast<std::size_t>(i)];
            for (int turn = 0; turn < 25; ++turn) {
              const auto started = start(own, static_cast<int>(dice(kinds)), 1 + dice(2000));
              if (dice(2) == 0) barrier(own);
              started->work.wait();
              started->check();
              Number total = own.rank();
              allreduce(own, std::span(&total, 1));
              require(total == size * (size - 1) / 2, "blocking allreduce");
            }
          } catch (const std::exception& e) {
            failures[static_cast<std::size_t>(i)] = e.what();
          }
        });
      for (std::thread& thread : threads) thread.join();
      for (const std::string& failure : failures) require(failure.empty(), failure);
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("no thread is started unless start_* is used, and then one for each communicator") {
  const std::size_t before = threads_of_this_process();
  constexpr int size = 4;
  std::atomic<std::size_t> blocking{0}, started{0};
  const auto on_rank = [&](Communicator& comm) {
    std::vector<Number> data = numbers(comm.rank(), 10'000), whole(data.size() * size);
    allreduce(comm, data);
    broadcast(comm, data, 1);
    allgather(comm, data, whole);
    alltoall(comm, whole, whole);
    Communicator half = comm.split(comm.rank() % 2);
    allreduce(half, data);
    Group group(comm);
    group.send(data, (comm.rank() + 1) % size);
    std::vector<Number> in(data.size());
    group.recv(in, (comm.rank() + size - 1) % size);
    group.wait();
    barrier(comm);
    if (comm.rank() == 0) blocking = threads_of_this_process();
    barrier(comm);
    for (int i = 0; i < 3; ++i) start_allreduce(comm, data).wait();
    barrier(comm);
    if (comm.rank() == 0) started = threads_of_this_process();
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(size, on_rank), "");
  CHECK(blocking == before + size);
  CHECK(started == before + 2 * size);
  const auto begin = std::chrono::steady_clock::now();  // the kernel takes a moment to forget a thread
  while (threads_of_this_process() != before && std::chrono::steady_clock::now() - begin < 2s)
    std::this_thread::yield();
  CHECK(threads_of_this_process() == before);
}
