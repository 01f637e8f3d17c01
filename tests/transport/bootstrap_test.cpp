// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#if RINGCOLL_WITH_BOOTSTRAP
#include <sys/wait.h>
#include <transport/bootstrap_ranks.hpp>

using namespace test;

TEST_CASE("any number of ranks meet, over a unix socket and over TCP") {
  for (const int size : {1, 2, 3, 8, 9, 17, 40}) {
    CAPTURE(size);
    check_all_met(join_all(ranks(size, fresh_name())));
    check_all_met(join_all(ranks(size, fresh_port())));
  }
}

TEST_CASE("ranks that have met can connect, by unix socket and by TCP") {
  const auto outcomes = join_all(ranks(3, fresh_name()));
  check_all_met(outcomes);
  for (const Via via : {Via::unix_socket, Via::tcp}) {
    for (int from = 0; from < 3; ++from) {
      for (int to = 0; to < 3; ++to) {
        if (from == to) continue;
        const Purpose purpose{.context = 9, .from = from, .to = to, .channel = 1, .via = via};
        Endpoint& acceptor = *outcomes[static_cast<std::size_t>(to)].endpoint;
        Dialer dialer(outcomes[static_cast<std::size_t>(from)].endpoint, to, purpose);
        std::optional<Socket> accepted;
        bool dialed = false;
        while (!accepted || !dialed) {
          dialed = dialer.progress();
          acceptor.progress();
          if (!accepted) accepted = acceptor.take(purpose);
        }
        const Socket dialed_socket = dialer.take();
        CHECK(::send(dialed_socket.fd(), "x", 1, MSG_NOSIGNAL) == 1);
        pollfd polled{accepted->fd(), POLLIN, 0};
        CHECK(::poll(&polled, 1, 1000) == 1);
        int no_delay = 0;
        socklen_t bytes = sizeof no_delay;
        if (via == Via::tcp) {
          CHECK(::getsockopt(accepted->fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &bytes) == 0);
          CHECK(no_delay != 0);
        }
        CHECK_FALSE(acceptor.take(purpose));
      }
    }
  }
}

TEST_CASE("ranks may come in any order, long before the one that serves them") {
  std::vector<ConnectOptions> all = ranks(4, fresh_port());
  std::vector<Outcome> outcomes(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 4; i-- > 0;) {
    threads.emplace_back([&, i] { outcomes[i] = join(all[i]); });
    ::usleep(60'000);
  }
  for (std::thread& thread : threads) thread.join();
  check_all_met(outcomes);
}

TEST_CASE("an address that other hosts can reach needs a secret") {
  std::vector<ConnectOptions> all = ranks(2, "192.0.2.1:4100");
  for (ConnectOptions& options : all) options.secret.clear();
  const Outcome outcome = join(all[1]);
  REQUIRE(outcome.error);
  CHECK(outcome.error->code() == Errc::invalid_argument);
  CHECK(contains(*outcome.error, "RINGCOLL_SECRET_FILE"));
  CHECK(contains(*outcome.error, "RINGCOLL_INSECURE=1"));
  SUBCASE("unless all ranks are on this host: they meet without the network") {
    for (ConnectOptions& options : all) options.local_size = 2;
    check_all_met(join_all(all));
  }
}

TEST_CASE("without a secret nothing listens beyond this host") {
  std::vector<ConnectOptions> all = ranks(12, fresh_port());
  for (ConnectOptions& options : all) options.secret.clear();
  const auto outcomes = join_all(all);
  check_all_met(outcomes);
  for (const Outcome& outcome : outcomes) {
    CHECK_FALSE(outcome.endpoint->address().tcp.empty());
    for (const InetAddress& address : outcome.endpoint->address().tcp) CHECK(address.is_loopback());
    CHECK(std::string(outcome.endpoint->auth()) == "same user, this host");
    // A key that nobody can guess, although none was given.
    CHECK(outcome.endpoint->key().bytes == outcomes[0].endpoint->key().bytes);
    CHECK(outcome.endpoint->key().bytes != join_all(all)[0].endpoint->key().bytes);
  }
}

TEST_CASE("no address, no store, no id: the error says what to set") {
  const Outcome outcome = join(ranks(2, "")[1]);
  REQUIRE(outcome.error);
  CHECK(outcome.error->code() == Errc::invalid_argument);
  CHECK(contains(*outcome.error, "RINGCOLL_ADDRESS=host:port"));
}

TEST_CASE("ranks meet by a user's store, with few gets each") {
  for (const int size : {1, 2, 3, 8, 17, 40}) {
    MemoryStore store;
    std::vector<ConnectOptions> all = ranks(size, "");
    for (ConnectOptions& options : all) options.store = &store;
    check_all_met(join_all(all));
    CHECK(store.gets() <= 2 * size);
  }
}

TEST_CASE("ranks meet by a unique id, whichever of them made it") {
  for (const int size : {1, 2, 8, 17}) {
    const UniqueId id = UniqueId::create();
    std::vector<ConnectOptions> all = ranks(size, "");
    for (ConnectOptions& options : all) options.id = UniqueId::parse(id.to_string());
    check_all_met(join_all(all));
  }
}

TEST_CASE("a unique id's maker need not be a rank, if rank 0 is its child") {
  const UniqueId id = UniqueId::create();
  std::vector<ConnectOptions> all = ranks(3, "");
  std::vector<pid_t> children;
  for (ConnectOptions& options : all) {
    options.id = id;
    children.push_back(::fork());
    if (children.back() == 0) ::_exit(join(options).endpoint ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}

TEST_CASE("Hydra carries a text from rank 0 to a rank, in PMI-1's words") {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const Socket ours(fds[0]), hydras(fds[1]);
  const auto converse = [&](const std::string& last_answer, int rank) {
    std::string asked;
    std::thread hydra([&] {
      const auto answer = [&](const std::string& text) {
        char line[512];
        const auto bytes = ::read(hydras.fd(), line, sizeof line);
        asked.append(line, static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
        const std::string with_end = text + "\n";
        CHECK(::send(hydras.fd(), with_end.data(), with_end.size(), MSG_NOSIGNAL) > 0);
      };
      answer("cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
      answer("cmd=my_kvsname kvsname=kvs_7_0");
      if (rank == 0) answer("cmd=put_result rc=0 msg=success");
      answer("cmd=barrier_out");
      answer(last_answer);
      if (last_answer.find("rc=0") != std::string::npos) answer("cmd=finalize_ack");
    });
    std::optional<Error> error;
    std::string result;
    try {
      result = Pmi(ours.fd(), 5s).broadcast(rank, "abc");
    } catch (const Error& e) {
      error = e;
    }
    hydra.join();
    CHECK((asked.find("cmd=put kvsname=kvs_7_0 key=ringcoll value=abc\n") != std::string::npos) == (rank == 0));
    if (error) throw *error;
    return result;
  };
  CHECK(converse("cmd=get_result rc=0 msg=success value=abc", 0) == "abc");
  CHECK(converse("cmd=get_result rc=0 msg=success value=xyz", 1) == "xyz");
  CHECK_THROWS_AS(converse("cmd=get_result rc=-1 msg=key_not_found value=unknown", 1), Error);
  CHECK_THROWS_AS(Pmi(ours.fd(), 20ms).broadcast(1, ""), Error);  // and not for ever
}

TEST_CASE("what is not a unique id is refused") {
  const UniqueId id = UniqueId::create();
  const std::string text = id.to_string();
  CHECK(UniqueId::parse(text) == id);
  CHECK(UniqueId::from_bytes(id.data()) == id);
  for (const std::string& wrong :
       {std::string(), std::string("00"), text.substr(2), text + "00", "zz" + text.substr(2), "00" + text.substr(2)})
    CHECK_THROWS_AS(UniqueId::parse(wrong), Error);
}

TEST_CASE("two ranks meet in 50 ms, eight in 150") {
  std::vector<double> times[2];
  for (int i = 0; i < 5; ++i) {
    for (const int size : {2, 8}) {
      const Clock::time_point start = Clock::now();
      check_all_met(join_all(ranks(size, fresh_port())));
      times[size == 8].push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
  }
  CHECK(*std::min_element(times[0].begin(), times[0].end()) < 50);
  CHECK(*std::min_element(times[1].begin(), times[1].end()) < 150);
}

#endif
