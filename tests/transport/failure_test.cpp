// SPDX-License-Identifier: Apache-2.0
#include "transport/misuse.hpp"

using namespace misuse;

TEST_CASE("after a failure every later call throws the same error") {
  const std::vector<Outcome> all = outcomes(3, [](Communicator& comm) {
    std::string first;
    Errc code{};
    try {
      call(comm, {.collective = Collective::allreduce, .count = comm.rank() == 1 ? 2u : 1u});
      barrier(comm, patient);
    } catch (const Error& e) {
      first = e.what();
      code = e.code();
    }
    require(!first.empty(), "nothing failed");
    int memory[3] = {};
    const auto again = [&](auto&& later) {
      const std::string what = refusal(code, later);
      require(what == first, what + " instead of " + first);
    };
    again([&] { barrier(comm); });
    again([&] { allreduce(comm, memory); });
    again([&] { start_allreduce(comm, memory).wait(); });
    again([&] { send(comm, memory, 0); });
    again([&] { Group(comm).send(memory, 0); });
    again([&] { static_cast<void>(comm.split(0)); });
    comm.abort();  // which changes nothing any more
    again([&] { barrier(comm); });
  });
  for (const Outcome& own : all) CHECK_MESSAGE(!own.error, own.what());
}

TEST_CASE("a failure reaches what is under way, and nobody's wait() hangs") {
  const std::vector<Outcome> all = outcomes(3, [](Communicator& comm) {
    std::vector<float> a(10), b(10), c(10);
    Work receives = start_recv(comm, c, (comm.rank() + 1) % 3, patient);
    Work first = start_allreduce(comm, a, sum{}, patient);
    barrier(comm, patient);
    Work second = comm.rank() == 2 ? start_broadcast(comm, b, 0, patient) : start_allreduce(comm, b, sum{}, patient);
    first.wait();
    const std::string what = refusal(Errc::mismatch, [&] { second.wait(); });
    require(contains(what, "broadcast") && contains(what, "allreduce"), what);
    require(refusal(Errc::mismatch, [&] { receives.wait(); }) == what, "the other work");
    require(refusal(Errc::mismatch, [&] { barrier(comm); }) == what, "the next call");
  });
  for (const Outcome& own : all) {
    CHECK_MESSAGE(!own.error, own.what());
    CHECK(own.time < soon);
  }
}

TEST_CASE("an empty communicator refuses everything with a sentence") {
  const Communicator empty;
  CHECK(!empty);
  int memory[2] = {};
  for (const std::string& what : {refusal(Errc::invalid_argument, [&] { barrier(empty); }),
                                  refusal(Errc::invalid_argument, [&] { allreduce(empty, memory); }),
                                  refusal(Errc::invalid_argument, [&] { start_allreduce(empty, memory).wait(); }),
                                  refusal(Errc::invalid_argument, [&] { gather(empty, memory, memory, 0); }),
                                  refusal(Errc::invalid_argument, [&] { Group(empty).send(memory, 0); }),
                                  refusal(Errc::invalid_argument, [&] { static_cast<void>(empty.split(0)); }),
                                  refusal(Errc::invalid_argument, [&] { empty.abort(); }),
                                  refusal(Errc::invalid_argument, [&] { static_cast<void>(empty.rank()); })})
    CHECK_MESSAGE(contains(what, "this communicator is empty"), what);
}

TEST_CASE("a deadline that passes names the missing rank, on all ranks, and is kept") {
  for (const bool nonblocking : {false, true}) {
    for (const int size : {2, 3, 4}) {
      for (int missing = 0; missing < size; ++missing) {
        std::atomic<int> told{0};
        std::vector<Outcome> all(static_cast<std::size_t>(size));
        local::run(size, [&](Communicator& comm) {
          if (comm.rank() == missing) {
            while (told < size - 1) std::this_thread::sleep_for(1ms);
            return;
          }
          Outcome& own = all[static_cast<std::size_t>(comm.rank())];
          float data[3] = {};
          const auto begin = Clock::now();
          try {
            if (nonblocking) start_allreduce(comm, data, sum{}, {.deadline = 100ms}).wait();
            else allreduce(comm, data, sum{}, {.deadline = 100ms});
          } catch (const Error& error) {
            own.error = error;
          }
          own.time = Clock::now() - begin;
          ++told;
        });
        for (int rank = 0; rank < size; ++rank) {
          if (rank == missing) continue;
          const Outcome& own = all[static_cast<std::size_t>(rank)];
          REQUIRE_MESSAGE(own.error, "rank ", rank, " waits for ever");
          CHECK_MESSAGE(own.error->code() == Errc::timeout, own.what());
          CHECK_MESSAGE(own.error->rank() == missing, own.what());
          CHECK_MESSAGE(contains(own.what(), "deadline has passed"), own.what());
          CHECK_MESSAGE(contains(own.what(), "from rank " + std::to_string(missing)), own.what());
          CHECK_MESSAGE(contains(own.what(), "allreduce #1 of 3 float (sum)"), own.what());
          CHECK(own.time >= 90ms);
          CHECK(own.time < soon);
        }
      }
    }
  }
}

TEST_CASE("a deadline holds for a call that waits behind another, for sends that nobody takes, and without end") {
  // Rank 1 takes no part until rank 0 is through.
  const auto alone = [](auto&& f) {
    std::atomic<bool> through{false};
    std::string why;
    local::run(2, [&](Communicator& comm) {
      if (comm.rank() == 1) {
        while (!through) std::this_thread::sleep_for(1ms);
        return;
      }
      const auto begin = Clock::now();
      try {
        f(comm);
      } catch (const std::exception& e) {
        why = e.what();
      }
      if (Clock::now() - begin > soon) why = "too late: " + why;
      through = true;
    });
    return why;
  };
  std::vector<int> data(1'000'000);
  int one[1] = {};
  CHECK_EQ(alone([&](Communicator& comm) {
             Work first = start_barrier(comm, {.deadline = 1h});
             Work second = start_allreduce(comm, one, sum{}, {.deadline = 100ms});
             const std::string what = refusal(Errc::timeout, [&] { second.wait(); });
             require(contains(what, "behind barrier #1") && contains(what, "in allreduce #2"), what);
             require(refusal(Errc::timeout, [&] { first.wait(); }) == what, "the first one ends too");
           }),
           "");
  CHECK_EQ(alone([&](Communicator& comm) {
             const std::string what = refusal(Errc::timeout, [&] { send(comm, data, 1, {.deadline = 100ms}); });
             require(contains(what, "rank 1 takes no more"), what);
           }),
           "");
  CHECK_EQ(alone([&](Communicator& comm) {
             const std::string what = refusal(Errc::timeout, [&] { recv(comm, data, 1, {.deadline = 100ms}); });
             require(contains(what, "nothing has arrived from rank 1"), what);
           }),
           "");
  CHECK_EQ(alone([&](Communicator& comm) {
             const std::string what =
                 refusal(Errc::timeout, [&] { send(comm, data, 0, {.deadline = 100ms}); });  // to itself
             require(contains(what, "rank 0 takes no more"), what);
           }),
           "");
  // The longest deadline that there is must not overflow into the past.
  CHECK_EQ(ranks::failure(2,
                          [&](Communicator& comm) {
                            if (comm.rank() == 1) std::this_thread::sleep_for(50ms);
                            barrier(comm, {.deadline = std::chrono::nanoseconds::max()});
                            start_barrier(comm, {.deadline = std::chrono::nanoseconds::max()}).wait();
                          }),
           "");
}

TEST_CASE("abort() from another thread returns within 100 ms, and what is under way throws aborted on all ranks") {
  for (const int size : {1, 2, 3, 8}) {
    for (const bool nonblocking : {false, true}) {
      std::atomic<Clock::duration> took{};
      const std::vector<Outcome> all = outcomes(size, [&](Communicator& comm) {
        std::thread other;
        if (comm.rank() == 0)
          other = std::thread([&, comm] {
            std::this_thread::sleep_for(50ms);
            const auto begin = Clock::now();
            comm.abort();
            took = Clock::now() - begin;
          });
        try {
          std::vector<int> data(1000);
          for (;;) {  // under way, or between two calls
            if (nonblocking) start_allreduce(comm, data, sum{}, patient).wait();
            else allreduce(comm, data, sum{}, patient);
          }
        } catch (...) {
          if (other.joinable()) other.join();
          throw;
        }
      });
      CHECK(took.load() < at_once);
      for (const Outcome& own : all) {
        REQUIRE(own.error);
        CHECK_MESSAGE(own.error->code() == Errc::aborted, own.what());
        CHECK_MESSAGE(own.error->rank() == 0, own.what());
        CHECK_MESSAGE(contains(own.what(), "rank 0 called abort()"), own.what());
        CHECK(own.time < soon);
      }
    }
  }
}

TEST_CASE("abort() ends one long call, and one that is stuck") {
  const auto aborted_in = [](int size, auto&& call) {
    std::atomic<Clock::time_point> when{};
    Clock::duration late{};
    std::string what;
    local::run(size, [&](Communicator& comm) {
      std::thread other;
      if (comm.rank() == 0)
        other = std::thread([&, comm] {
          std::this_thread::sleep_for(30ms);
          when = Clock::now();
          comm.abort();
        });
      try {
        call(comm);
      } catch (const Error& error) {
        if (comm.rank() == 0) late = Clock::now() - when.load(), what = error.what();
      }
      if (other.joinable()) other.join();
    });
    return contains(what, "rank 0 called abort()") && late < soon / 2
               ? std::string()
               : what + " after " + std::to_string(late.count()) + " ns";
  };
  std::vector<std::uint8_t> data(64 << 20);
  const auto slow = [](std::uint8_t a, std::uint8_t b) {
    for (int i = 0; i < 20; ++i) a = static_cast<std::uint8_t>(a * 31 + b);
    return a;
  };
  CHECK_EQ(aborted_in(1,
                      [&](Communicator& comm) {
                        for (;;) allreduce(comm, data, slow);
                      }),
           "");
  CHECK_EQ(aborted_in(2,
                      [&](Communicator& comm) {
                        std::vector<std::uint8_t> own(data.size());
                        for (;;) allreduce(comm, own, slow, patient);
                      }),
           "");
  CHECK_EQ(aborted_in(2,
                      [&](Communicator& comm) {
                        if (comm.rank() == 0) barrier(comm);
                        else std::this_thread::sleep_for(200ms);
                      }),
           "");
}

TEST_CASE("abort() of a rank that is in no call reaches those that wait for it") {
  const std::vector<Outcome> all = outcomes(3, [](Communicator& comm) {
    if (comm.rank() == 1) {
      std::this_thread::sleep_for(30ms);
      comm.abort();
      std::this_thread::sleep_for(500ms);  // and computes on
      throw Error(Errc::aborted, "as expected", 1);
    }
    const auto begin = Clock::now();
    try {
      barrier(comm, patient);
    } catch (const Error&) {
      require(Clock::now() - begin < 400ms, "told only when rank 1 called again");
      throw;
    }
  });
  for (const Outcome& own : all)
    CHECK_MESSAGE((own.error && own.error->code() == Errc::aborted && own.error->rank() == 1), own.what());
}

TEST_CASE("a rank that leaves early is named to those that wait for it") {
  for (const int size : {2, 3, 8}) {
    for (const bool nonblocking : {false, true}) {
      std::vector<Outcome> all(static_cast<std::size_t>(size));
      const int leaver = size / 2;
      local::run(size, [&](Communicator& comm) {
        barrier(comm);
        if (comm.rank() == leaver) return;
        Outcome& own = all[static_cast<std::size_t>(comm.rank())];
        const auto begin = Clock::now();
        try {
          int data[4] = {};
          if (nonblocking) start_allreduce(comm, data, sum{}, patient).wait();
          else allreduce(comm, data, sum{}, patient);
        } catch (const Error& error) {
          own.error = error;
        }
        own.time = Clock::now() - begin;
      });
      for (int rank = 0; rank < size; ++rank) {
        if (rank == leaver) continue;
        const Outcome& own = all[static_cast<std::size_t>(rank)];
        REQUIRE(own.error);
        CHECK_MESSAGE(own.error->code() == Errc::peer_failed, own.what());
        CHECK_MESSAGE(own.error->rank() == leaver, own.what());
        CHECK_MESSAGE(contains(own.what(), "rank " + std::to_string(leaver) + " has left the communicator"),
                      own.what());
        CHECK(own.time < soon);
      }
    }
  }
}

TEST_CASE("to be stuck for long is no error, though a neighbour has left in good order or is busy") {
  for (const int size : {2, 4}) {
    const auto on_rank = [&](Communicator& comm) {
      int one[1] = {comm.rank()};
      for (int turn = 0; turn < 2; ++turn) {
        if (comm.rank() == 1) std::this_thread::sleep_for(300ms);
        barrier(comm, patient);
      }
      if (comm.rank() > 1) return;  // the neighbours of both, with more than 2 ranks
      if (comm.rank() == 0) {
        recv(comm, one, 1, patient);
        require(one[0] == 1, "recv");
      } else {
        std::this_thread::sleep_for(300ms);
        send(comm, one, 0, patient);
      }
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("a rank that waits for one that is busy hears of the failure of another") {
  const std::vector<Outcome> all = outcomes(3, [](Communicator& comm) {
    int one[1] = {};
    if (comm.rank() == 0) recv(comm, one, 1, {.deadline = 20s});
    if (comm.rank() == 1) std::this_thread::sleep_for(soon / 2);
    if (comm.rank() == 2) comm.abort();
  });
  CHECK_MESSAGE((all[0].error && all[0].error->code() == Errc::aborted && all[0].error->rank() == 2), all[0].what());
  CHECK(all[0].time < soon / 2);
}

TEST_CASE("an exception of a rank's own, outside of any call or from its op, reaches the others") {
  CHECK_EQ(ranks::failure(3,
                          [](Communicator& comm) {
                            barrier(comm);
                            if (comm.rank() == 2) throw std::logic_error("the user's own");
                            barrier(comm, patient);
                          }),
           "the user's own");
  const auto throwing = [](int a, int b) {
    if (a + b > 3) throw std::range_error("too much");
    return a + b;
  };
  for (const int size : {2, 3, 17}) {
    const std::vector<Outcome> all = outcomes(size, [&](Communicator& comm) {
      std::vector<int> data(4, 3);
      try {
        allreduce(comm, data, throwing, patient);
        barrier(comm, patient);
        require(false, "nothing was thrown");
      } catch (const std::range_error&) {
        try {
          barrier(comm, patient);
        } catch (const Error& e) {
          require(contains(e.what(), "op threw an exception: too much"), e.what());
          throw;
        }
      }
    });
    for (const Outcome& own : all) {
      REQUIRE(own.error);
      CHECK_MESSAGE(contains(own.what(), "op threw an exception: too much"), own.what());
      CHECK(own.time < soon);
    }
    const std::vector<Outcome> background = outcomes(size, [&](Communicator& comm) {
      std::vector<int> data(4, 3);
      Work work = start_allreduce(comm, data, throwing, patient);
      work.wait();
    });
    for (const Outcome& own : background) {
      REQUIRE(own.error);
      CHECK_MESSAGE(own.error->code() == Errc::aborted, own.what());
      CHECK_MESSAGE(contains(own.what(), "op threw an exception: too much"), own.what());
    }
  }
}
