// SPDX-License-Identifier: Apache-2.0
#include "transport/misuse.hpp"

using namespace misuse;

TEST_CASE("ranks that call with different counts, types or ops are told, all of them, soon, and both calls are named") {
  for (const int size : {2, 3, 5}) {
    for (const Collective collective : collectives) {
      if (collective == Collective::barrier) continue;
      const What ours{collective};
      for (int odd = 0; odd < size; odd += size - 1) {
        const auto count_of = [&](std::size_t part) {  // as the collective counts
          const bool of_whole = !combines(collective) && collective != Collective::broadcast;
          return std::to_string(
              of_whole || collective == Collective::reduce_scatter ? part * static_cast<std::size_t>(size) : part);
        };
        What theirs = ours;
        theirs.count = 13;
        CHECK_EQ(mismatch(size, odd, ours, theirs, {count_of(12) + " float", count_of(13) + " float"}), "");
        theirs = ours, theirs.count = 0;
        CHECK_EQ(mismatch(size, odd, ours, theirs, {count_of(12) + " float"}), "");
        theirs = ours, theirs.count = 50'000;
        CHECK_EQ(mismatch(size, odd, ours, theirs, {count_of(12) + " float", count_of(50'000) + " float"}), "");
        theirs = ours, theirs.type = DataType::int32;
        CHECK_EQ(mismatch(size, odd, ours, theirs, {" float", " int32"}), "");
        theirs = ours, theirs.type = DataType::float64;
        CHECK_EQ(mismatch(size, odd, ours, theirs, {" float", " double"}), "");
        theirs = ours, theirs.op = OpId::max;
        if (combines(collective)) CHECK_EQ(mismatch(size, odd, ours, theirs, {"(sum)", "(max)"}), "");
      }
    }
  }
}

TEST_CASE("ranks that call with different roots are told, all of them, soon") {
  Cases cases;
  for (const int size : {2, 3, 5})
    for (const Collective collective : collectives)
      for (int odd = 0; is_rooted(collective) && odd < size; ++odd)
        for (int root = 0; root < size; ++root)
          cases.push_back([=] {
            return mismatch(size, odd, {.collective = collective, .root = root},
                            {.collective = collective, .root = (root + 1) % size}, {"root "});
          });
  check_all(cases);
}

TEST_CASE("ranks that call different collectives, or in another order, are told, all of them, soon") {
  Cases cases;
  for (const int size : {2, 3})
    for (const Collective a : collectives)
      for (const Collective b : collectives)
        for (int odd = 0; a != b && odd < size; odd += size - 1)
          cases.push_back([=] { return mismatch(size, odd, {a}, {b}, {}); });
  check_all(cases);
}

TEST_CASE("v variants with lengths that do not fit each other are a mismatch that names both lengths") {
  const auto lengths = [](const std::vector<Outcome>& all, const std::string& sent, const std::string& expected) {
    for (const Outcome& own : all) {
      if (!own.error || own.time > soon) return "not told soon: " + own.what();
      if (!contains(own.what(), sent + " elements") || !contains(own.what(), "expects " + expected)) return own.what();
    }
    return std::string();
  };
  for (const int size : {2, 3, 5}) {
    const auto n = static_cast<std::size_t>(size);
    CHECK_EQ(lengths(outcomes(size,
                              [&](Communicator& comm) {
                                std::vector<int> in(comm.rank() == 1 ? 8 : 7), out(7 * n);
                                gatherv(comm, in, out, std::vector<std::size_t>(n, 7), 0, patient);
                                barrier(comm, patient);
                              }),
                     "8", "7"),
             "");
    CHECK_EQ(lengths(outcomes(size,
                              [&](Communicator& comm) {
                                std::vector<int> in(7 * n), out(comm.rank() == 1 ? 60'000 : 7);
                                scatterv(comm, in, out, std::vector<std::size_t>(n, 7), 0, patient);
                                barrier(comm, patient);
                              }),
                     "7", "60000"),
             "");
    CHECK_EQ(lengths(outcomes(size,
                              [&](Communicator& comm) {
                                std::vector<std::size_t> to(n, 7), from(n, 7);
                                if (comm.rank() == 0) to[1] = 9;
                                std::vector<int> in(7 * n + (comm.rank() == 0 ? 2 : 0)), out(7 * n);
                                alltoallv(comm, in, to, out, from, patient);
                                barrier(comm, patient);
                              }),
                     "9", "7"),
             "");
    // Counts that differ but add up to the same: part 0 and part 1 change places on rank 1.
    const std::vector<Outcome> all = outcomes(size, [&](Communicator& comm) {
      std::vector<std::size_t> counts(n, 5);
      counts[comm.rank() == 1 ? 0 : 1] = 6;
      std::vector<int> in(counts[static_cast<std::size_t>(comm.rank())]), out(5 * n + 1);
      allgatherv(comm, in, out, counts, patient);
      barrier(comm, patient);
    });
    for (const Outcome& own : all)
      CHECK_MESSAGE((own.error && own.error->code() == Errc::mismatch && own.time < soon), own.what());
  }
}

TEST_CASE("a message of another length or type than its receiver expects is a mismatch") {
  const auto told = [](auto&& receive) {
    const std::vector<Outcome> all = outcomes(2, [&](Communicator& comm) {
      if (comm.rank() == 0) send(comm, std::vector<int>(5), 1, patient);
      else receive(comm);
      barrier(comm, patient);
    });
    for (const Outcome& own : all)
      if (!own.error || own.error->code() != Errc::mismatch || own.time > soon) return own.what();
    return contains(all[1].what(), "5 int32") ? std::string() : all[1].what();
  };
  CHECK_EQ(told([](Communicator& comm) { recv(comm, std::vector<int>(6), 0, patient); }), "");
  CHECK_EQ(told([](Communicator& comm) { recv(comm, std::vector<int>(4), 0, patient); }), "");
  CHECK_EQ(told([](Communicator& comm) { recv(comm, std::vector<int>(), 0, patient); }), "");
  CHECK_EQ(told([](Communicator& comm) { recv(comm, std::vector<int>(100'000), 0, patient); }), "");
  CHECK_EQ(told([](Communicator& comm) { recv(comm, std::vector<float>(5), 0, patient); }), "");
}

TEST_CASE("user types of different sizes are a mismatch") {
  struct Three {
    std::uint8_t bytes[3];
  };
  struct Four {
    std::uint8_t bytes[4];
  };
  const std::vector<Outcome> all = outcomes(2, [](Communicator& comm) {
    if (comm.rank() == 0) broadcast(comm, std::vector<Three>(4), 0, patient);
    else broadcast(comm, std::vector<Four>(4), 0, patient);
    barrier(comm, patient);
  });
  for (const Outcome& own : all) CHECK_MESSAGE((own.error && own.error->code() == Errc::mismatch), own.what());
  CHECK(contains(all[1].what(), "element sizes"));
}

TEST_CASE("roots, peers and colors that are no ranks are refused, and nothing has happened") {
  const auto on_rank = [](Communicator& comm) {
    std::vector<int> data(4), whole(16);
    for (const int bad : {-1, -2, 4, 5, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
      const auto check = [&](const std::string& what) {
        require(contains(what, " " + std::to_string(bad) + " is not a rank; ranks are 0 … 3"), what);
      };
      const std::vector<std::size_t> counts(4, 4);
      using enum Errc;
      check(refusal(invalid_argument, [&] { broadcast(comm, data, bad); }));
      check(refusal(invalid_argument, [&] { reduce(comm, data, data, bad); }));
      check(refusal(invalid_argument, [&] { gather(comm, data, whole, bad); }));
      check(refusal(invalid_argument, [&] { gatherv(comm, data, whole, counts, bad); }));
      check(refusal(invalid_argument, [&] { scatter(comm, whole, data, bad); }));
      check(refusal(invalid_argument, [&] { scatterv(comm, whole, data, counts, bad); }));
      check(refusal(invalid_argument, [&] { send(comm, data, bad); }));
      check(refusal(invalid_argument, [&] { recv(comm, data, bad); }));
      check(refusal(invalid_argument, [&] { Group(comm).send(data, bad); }));
      check(refusal(invalid_argument, [&] { Group(comm).recv(data, bad); }));
      check(refusal(invalid_argument, [&] { start_broadcast(comm, data, bad).wait(); }));
      check(refusal(invalid_argument, [&] { start_send(comm, data, bad).wait(); }));
      check(refusal(invalid_argument, [&] { start_recv(comm, data, bad).wait(); }));
    }
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(4, on_rank), "");
}

TEST_CASE("buffers that overlap without being in place are refused, on every rank") {
  for (const int size : {2, 3}) {
    const auto on_rank = [&](Communicator& comm) {
      const auto n = static_cast<std::size_t>(size), r = static_cast<std::size_t>(comm.rank());
      std::vector<int> memory(100);
      const std::span<int> all(memory);
      const auto check = [&](auto&& overlapping) {
        const std::string what = refusal(Errc::invalid_argument, overlapping);
        require(contains(what, "overlap"), what + " on rank " + std::to_string(comm.rank()));
      };
      check([&] { allreduce(comm, all.subspan(0, 10), all.subspan(9, 10)); });
      check([&] { allreduce(comm, all.subspan(9, 10), all.subspan(0, 10)); });
      check([&] { alltoall(comm, all.subspan(0, 2 * n), all.subspan(1, 2 * n)); });
      const std::size_t next = (r + 1) % n;  // the place of another rank's part
      check([&] { reduce_scatter(comm, all.subspan(0, 4 * n), all.subspan(4 * next, 4)); });
      check([&] { reduce_scatter(comm, all.subspan(0, 4 * n), all.subspan(4 * r + 1, 4)); });
      check([&] { allgather(comm, all.subspan(4 * next, 4), all.subspan(0, 4 * n)); });
      check([&] { allgather(comm, all.subspan(4 * r + 1, 4), all.subspan(0, 4 * n)); });
      const std::vector<std::size_t> counts(n, 4);
      check([&] { reduce_scatterv(comm, all.subspan(0, 4 * n), all.subspan(4 * next, 4), counts); });
      check([&] { allgatherv(comm, all.subspan(4 * next, 4), all.subspan(0, 4 * n), counts); });
      check([&] { alltoallv(comm, all.subspan(0, 4 * n), counts, all.subspan(0, 4 * n), counts); });  // even all of it
      check([&] { gather(comm, all.subspan(4 * next, 4), all.subspan(0, 4 * n), comm.rank()); });
      check([&] { gatherv(comm, all.subspan(4 * next, 4), all.subspan(0, 4 * n), counts, comm.rank()); });
      check([&] { scatter(comm, all.subspan(0, 4 * n), all.subspan(4 * next, 4), comm.rank()); });
      check([&] { scatterv(comm, all.subspan(0, 4 * n), all.subspan(4 * next, 4), counts, comm.rank()); });
      check([&] { reduce(comm, all.subspan(0, 4), all.subspan(2, 4), comm.rank()); });
      // Neighbours are fine, and empty buffers anywhere.
      allreduce(comm, all.subspan(0, 10), all.subspan(10, 10));
      allreduce(comm, all.subspan(5, 0), all.subspan(5, 0));
      alltoall(comm, all.subspan(0, n), all.subspan(n, n));
      barrier(comm);
    };
    CHECK_EQ(ranks::failure(size, on_rank), "");
  }
}

TEST_CASE("buffers and counts that do not fit each other or the number of ranks are refused") {
  const auto on_rank = [](Communicator& comm) {
    const std::vector<int> in(10);
    std::vector<int> out(10);
    const auto root = comm.rank();
    const auto check = [&](auto&& wrong, const std::string& words) {
      const std::string what = refusal(Errc::invalid_argument, wrong);
      require(contains(what, words), what);
    };
    check([&] { allreduce(comm, in, std::span(out).first(9)); }, "in has 10 elements and out has 9");
    check([&] { reduce(comm, in, std::span(out).first(9), root); }, "in has 10 elements and out has 9");
    check([&] { reduce_scatter(comm, in, out); }, "in has 10 elements");
    check([&] { reduce_scatter(comm, in, std::span(out).first(0)); }, "in has 10 elements");
    check([&] { allgather(comm, std::span(in).first(3), out); }, "out has 10 elements");
    check([&] { gather(comm, std::span(in).first(4), out, root); }, "out has 10 elements");
    check([&] { scatter(comm, in, std::span(out).first(4), root); }, "in has 10 elements");
    check([&] { alltoall(comm, in, out); }, "3 ranks cannot share evenly");
    check([&] { alltoall(comm, in, std::span(out).first(9)); }, "in has 10 elements and out has 9");

    using Counts = std::vector<std::size_t>;
    for (const Counts& wrong : {Counts{}, Counts{10}, Counts{5, 5}, Counts{2, 3, 3, 2}}) {
      const std::string words = "has " + std::to_string(wrong.size()) + " entries; it needs one a rank, 3";
      check([&] { reduce_scatterv(comm, in, std::span(out).first(3), wrong); }, words);
      check([&] { allgatherv(comm, std::span(in).first(3), out, wrong); }, words);
      check([&] { gatherv(comm, std::span(in).first(3), out, wrong, root); }, words);
      check([&] { scatterv(comm, in, std::span(out).first(3), wrong, root); }, words);
      check([&] { alltoallv(comm, in, wrong, out, Counts{3, 4, 3}); }, "in_counts " + words);
      check([&] { alltoallv(comm, in, Counts{3, 4, 3}, out, wrong); }, "out_counts " + words);
    }
    const Counts equal{3, 3, 3}, good{3, 3, 4};
    check([&] { reduce_scatterv(comm, in, std::span(out).first(3), equal); }, "says 9 elements and in has 10");
    check([&] { reduce_scatterv(comm, in, std::span(out).first(2), good); }, "out has 2");
    check([&] { allgatherv(comm, std::span(in).first(3), out, equal); }, "says 9 elements and out has 10");
    check([&] { allgatherv(comm, std::span(in).first(2), out, good); }, "in has 2");
    check([&] { gatherv(comm, std::span(in).first(2), out, good, root); }, "in has 2");
    check([&] { gatherv(comm, std::span(in).first(3), out, equal, root); }, "says 9 elements and out has 10");
    check([&] { scatterv(comm, in, std::span(out).first(2), good, root); }, "out has 2");
    check([&] { scatterv(comm, in, std::span(out).first(3), equal, root); }, "says 9 elements and in has 10");
    check([&] { alltoallv(comm, in, good, out, equal); }, "out_counts says 9 elements and out has 10");
    check([&] { alltoallv(comm, in, Counts{5, 4, 1}, out, Counts{1, 5, 4}); }, "out_counts[rank]");
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(3, on_rank), "");
}

TEST_CASE("counts that were negative, or overflow, are refused before anybody touches memory") {
  const auto on_rank = [](Communicator& comm) {
    int memory[4] = {};
    const auto refused = [&](auto&& wrong) {
      const std::string what = refusal(Errc::invalid_argument, wrong);
      require(contains(what, ": "), what);
      require(what != "nothing" && !contains(what, "another code"), what);
    };
    for (const std::size_t count : {static_cast<std::size_t>(-1), static_cast<std::size_t>(-4), std::size_t{1} << 62,
                                    std::size_t{1} << 63, std::size_t{1} << 61, std::size_t{1} << 40}) {
      const std::span<int> buffer(memory, count), little(memory, 1);
      const std::vector<std::size_t> counts(4, count);
      refused([&] { allreduce(comm, buffer); });
      refused([&] { broadcast(comm, buffer, 0); });
      refused([&] { reduce(comm, buffer, buffer, 0); });
      refused([&] { reduce_scatter(comm, buffer, buffer); });
      refused([&] { allgather(comm, buffer, buffer); });
      refused([&] { alltoall(comm, buffer, buffer); });
      refused([&] { send(comm, buffer, 0); });
      refused([&] { recv(comm, buffer, 0); });
      for (int root = 0; root < 4; ++root) {  // at the root and elsewhere
        refused([&] { gather(comm, buffer, little, root); });
        refused([&] { scatter(comm, little, buffer, root); });
        refused([&] { gatherv(comm, buffer, little, counts, root); });
        refused([&] { scatterv(comm, little, buffer, counts, root); });
      }
      refused([&] { reduce_scatterv(comm, little, little, counts); });
      refused([&] { allgatherv(comm, little, little, counts); });
      refused([&] { alltoallv(comm, little, counts, little, counts); });
      refused([&] { start_allreduce(comm, buffer).wait(); });
      refused([&] { start_gather(comm, buffer, little, 0).wait(); });
    }
    // A sum that wraps round to what the buffer has.
    const std::size_t half = std::size_t{1} << 63;
    refused([&] {
      allgatherv(comm, std::span(memory, 2), std::span(memory + 2, 2), std::vector<std::size_t>{half, half, 1, 1});
    });
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(4, on_rank), "");
}

TEST_CASE("elements longer than a message are refused") {
  struct Large {
    std::uint8_t bytes[100'000];
  };
  const auto on_rank = [](Communicator& comm) {
    std::vector<Large> data(1);
    const std::string what = refusal(Errc::invalid_argument, [&] { broadcast(comm, data, 0); });
    require(contains(what, "100000 bytes are longer than a message"), what);
    barrier(comm);
  };
  CHECK_EQ(ranks::failure(2, on_rank), "");
}
