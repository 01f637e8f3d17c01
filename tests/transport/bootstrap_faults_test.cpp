// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#if RINGCOLL_WITH_BOOTSTRAP
#include <sys/wait.h>
#include <transport/bootstrap_ranks.hpp>

using namespace test;

namespace {

/// A connection of a stranger, to a listener that may not be there yet.
Socket visit(const std::string& address) {
  const auto where = ringcoll::parse_host_port(address);
  InetAddress target = InetAddress::loopback();
  target.port = where->port;
  const SocketAddress at = target.socket_address();
  for (int i = 0; i < 2000; ++i) {
    Socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(s.fd(), at.get(), at.bytes) == 0) return s;
    ::usleep(1000);
  }
  return {};
}

}  // namespace

TEST_CASE("a rank that was started twice is an error on every rank, naming both") {
  for (const std::string& address : {fresh_name(), fresh_port()}) {
    std::vector<ConnectOptions> all = ranks(4, address);
    all[2].rank = 1;
    const Clock::time_point start = Clock::now();
    for (const Outcome& outcome : join_all(all)) {
      REQUIRE(outcome.error);
      CAPTURE(outcome.error->what());
      CHECK(outcome.error->code() == Errc::invalid_argument);
      CHECK(outcome.error->rank() == 1);
      CHECK(contains(*outcome.error, "rank 1 was started twice, as "));
      CHECK(contains(*outcome.error, host_name() + ":" + std::to_string(::getpid())));
    }
    CHECK(Clock::now() - start < 5s);
  }
}

TEST_CASE("a rank that was told another size is an error on every rank, naming both") {
  std::vector<ConnectOptions> all = ranks(3, fresh_name());
  all[2].size = 4;
  for (const Outcome& outcome : join_all(all)) {
    REQUIRE(outcome.error);
    CAPTURE(outcome.error->what());
    CHECK(outcome.error->code() == Errc::invalid_argument);
    CHECK(contains(*outcome.error, "there are 3 ranks"));
    CHECK(contains(*outcome.error, "there are 4"));
  }
}

TEST_CASE("a rank beyond the size never gets far") {
  ConnectOptions options;
  options.rank = 4;
  options.size = 4;
  CHECK_THROWS_AS(launch_for(options), Error);
  options.rank = -1;
  CHECK_THROWS_AS(launch_for(options), Error);
}

TEST_CASE("missing ranks are listed, on every rank, within the deadline") {
  std::vector<ConnectOptions> all = ranks(6, fresh_port());
  all.erase(all.begin() + 4);
  all.erase(all.begin() + 2);
  for (ConnectOptions& options : all) options.deadline = 400ms;
  const Clock::time_point start = Clock::now();
  for (const Outcome& outcome : join_all(all)) {
    REQUIRE(outcome.error);
    CAPTURE(outcome.error->what());
    CHECK(outcome.error->code() == Errc::timeout);
    CHECK(contains(*outcome.error, "2 of 6 ranks have not come: 2, 4"));
  }
  CHECK(Clock::now() - start < 1s);
}

TEST_CASE("of many missing ranks, the first are listed") {
  std::vector<ConnectOptions> all = ranks(100, fresh_name());
  all.resize(1);
  all[0].deadline = 50ms;
  const Outcome outcome = join_all(all)[0];
  REQUIRE(outcome.error);
  CHECK(contains(*outcome.error, "99 of 100 ranks have not come: 1, 2, 3,"));
  CHECK(contains(*outcome.error, "and 83 more"));
}

TEST_CASE("without rank 0 the others say where they looked for it") {
  std::vector<ConnectOptions> all = ranks(3, fresh_port());
  all.erase(all.begin());
  for (ConnectOptions& options : all) options.deadline = 200ms;
  for (const Outcome& outcome : join_all(all)) {
    REQUIRE(outcome.error);
    CAPTURE(outcome.error->what());
    CHECK(outcome.error->code() == Errc::timeout);
    CHECK(contains(*outcome.error, all[0].address));
    CHECK(contains(*outcome.error, "refused"));
  }
}

TEST_CASE("strangers do no harm") {
  const std::string address = fresh_port();
  std::vector<ConnectOptions> all = ranks(3, address);
  std::vector<Outcome> outcomes(3);
  std::thread root([&] { outcomes[0] = join(all[0]); });
  std::vector<Socket> visitors;
  for (const char* text : {"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "RINGCOLL", "\x16\x03\x01\x02"}) {
    visitors.push_back(visit(address));
    REQUIRE(visitors.back());
    CHECK(::send(visitors.back().fd(), text, std::strlen(text), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(std::strlen(text)));
  }
  Bytes garbage(100'000);
  fill_random(garbage);
  visitors.push_back(visit(address));
  ::send(visitors.back().fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  visitors.push_back(visit(address));
  visitors.back().close();
  char answer;
  CHECK(::recv(visitors[1].fd(), &answer, 1, 0) <= 0);  // hung up on, without a word
  std::thread second([&] { outcomes[1] = join(all[1]); }), third([&] { outcomes[2] = join(all[2]); });
  for (std::thread* thread : {&root, &second, &third}) thread->join();
  check_all_met(outcomes);
}

TEST_CASE("hundreds of silent connections keep nobody out") {
  const std::string address = fresh_port();
  std::vector<ConnectOptions> all = ranks(2, address);
  std::vector<Outcome> outcomes(2);
  std::thread root([&] { outcomes[0] = join(all[0]); });
  std::vector<Socket> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(visit(address));
  const Clock::time_point start = Clock::now();
  std::thread second([&] { outcomes[1] = join(all[1]); });
  root.join();
  second.join();
  check_all_met(outcomes);
  CHECK(Clock::now() - start < 4s);  // 5 s is what each of them may take at leisure
}

TEST_CASE("a rank with another key is turned away, and told so; the others hear of it at the deadline") {
  std::vector<ConnectOptions> all = ranks(3, fresh_port());
  for (ConnectOptions& options : all) options.deadline = 1s;
  all[2].secret = std::string(32, 'b');
  const std::vector<Outcome> outcomes = join_all(all);
  for (const Outcome& outcome : outcomes) REQUIRE(outcome.error);
  CAPTURE(outcomes[2].error->what());
  CHECK(outcomes[2].error->code() == Errc::auth_failed);
  CHECK(contains(*outcomes[2].error, "RINGCOLL_SECRET_FILE"));
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    CAPTURE(outcomes[i].error->what());
    CHECK(outcomes[i].error->code() == Errc::timeout);
    CHECK(contains(*outcomes[i].error, "1 of 3 ranks have not come: 2"));
    CHECK(contains(*outcomes[i].error, "did not know the job's key"));
  }
}

TEST_CASE("a rank with another version of ringcoll is an error on every rank, naming both versions") {
  const std::string address = fresh_port();
  std::vector<ConnectOptions> all = ranks(2, address);
  all[0].deadline = 5s;
  std::optional<Outcome> outcome;
  std::thread root([&] { outcome = join(all[0]); });
  const Secret secret{{as_bytes(all[0].secret).begin(), as_bytes(all[0].secret).end()}, "api"};
  Handshake other = Handshake::client(secret.job_key(""), joining(1), 0, protocol_version + 1);
  const Socket socket = visit(address);
  while (other.state() == Handshake::State::running && detail::advance(other, socket) == 0) {
  }
  CHECK(other.why() == Handshake::Why::other_version);
  CHECK(other.peer_version() == protocol_version);
  root.join();
  REQUIRE(outcome->error);
  CAPTURE(outcome->error->what());
  CHECK(outcome->error->code() == Errc::protocol_error);
  CHECK(contains(*outcome->error, "rank 1 ("));
  CHECK(contains(*outcome->error, "speaks version 2"));
}

TEST_CASE("what listens at the address but is not ringcoll is noticed") {
  Socket impostor = listen_at(InetAddress::loopback().socket_address());
  SocketAddress bound;
  bound.bytes = sizeof bound.storage;
  ::getsockname(impostor.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.bytes);
  std::vector<ConnectOptions> all = ranks(2, InetAddress::from(bound.get()).to_string());
  std::optional<Outcome> outcome;
  std::thread server([&] {
    pollfd polled{impostor.fd(), POLLIN, 0};
    ::poll(&polled, 1, 5000);
    const Socket s(::accept4(impostor.fd(), nullptr, nullptr, 0));
    CHECK(::send(s.fd(), "HTTP/1.1 400 Bad Request\r\n", 26, MSG_NOSIGNAL) == 26);
    ::usleep(200'000);
  });
  outcome = join(all[1]);
  server.join();
  REQUIRE(outcome->error);
  CHECK(outcome->error->code() == Errc::auth_failed);
  CHECK(contains(*outcome->error, "not ringcoll"));
}

TEST_CASE("a rank that dies before all have come fails the job at once") {
  const std::string address = fresh_name();
  std::vector<ConnectOptions> all = ranks(3, address);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(10);
    join(all[2]);
    ::_exit(0);
  }
  std::thread killer([&] {
    ::usleep(300'000);
    ::kill(child, SIGKILL);
  });
  const Clock::time_point start = Clock::now();
  const Outcome outcome = join(all[0]);
  killer.join();
  ::waitpid(child, nullptr, 0);
  REQUIRE(outcome.error);
  CAPTURE(outcome.error->what());
  CHECK(outcome.error->code() == Errc::peer_failed);
  CHECK(outcome.error->rank() == 2);
  CHECK(Clock::now() - start < 5s);
}

TEST_CASE("a second rank 0 is told that its place is taken") {
  const std::string address = fresh_port();
  std::vector<ConnectOptions> all = ranks(2, address);
  const Socket taken = listen_at([&] {
    InetAddress a = InetAddress::loopback();
    a.port = ringcoll::parse_host_port(address)->port;
    return a.socket_address();
  }());
  const Outcome outcome = join(all[0]);
  REQUIRE(outcome.error);
  CHECK(outcome.error->code() == Errc::invalid_argument);
  CHECK(contains(*outcome.error, "a second rank 0"));
}

TEST_CASE("a store whose ranks disagree about the size says so") {
  MemoryStore store;
  std::vector<ConnectOptions> all = ranks(2, "");
  for (ConnectOptions& options : all) {
    options.store = &store;
    options.deadline = 500ms;
  }
  all[1].size = 3;
  const auto outcomes = join_all(all);
  REQUIRE(outcomes[0].error);
  CHECK(contains(*outcomes[0].error, "there are 3"));
  REQUIRE(outcomes[1].error);
}

TEST_CASE("a peer that has gone is noticed, with its address and the system's words") {
  auto outcomes = join_all(ranks(2, fresh_name()));
  check_all_met(outcomes);
  const std::string unix_name = outcomes[1].endpoint->address().unix_name;
  outcomes[1].endpoint.reset();
  Dialer dialer(outcomes[0].endpoint, 1, {.context = 1, .from = 0, .to = 1, .channel = 0, .via = Via::unix_socket});
  try {
    while (!dialer.progress()) ::usleep(1000);
    FAIL("connected to nobody");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::peer_failed);
    CHECK(error.rank() == 1);
    CHECK(contains(error, unix_name));
    CHECK(contains(error, "refused"));
  }
}

#endif
