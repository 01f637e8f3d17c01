// SPDX-License-Identifier: Apache-2.0
// The parts of the PyTorch backend that know nothing of PyTorch: here they also run under the sanitizers.
#include "../../../torch/src/mailbox.cpp"
#include "../../../torch/src/lane.cpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <random>
#include <ringcoll/detail/local_transport.hpp>

using namespace std::chrono_literals;
using ringcoll_torch::Elements, ringcoll_torch::Lane, ringcoll_torch::Mailbox;

namespace {

/// A mailbox for each rank.
std::vector<std::unique_ptr<Mailbox>> mailboxes(int size) {
  std::vector<std::unique_ptr<Mailbox>> result;
  auto transports = ringcoll::make_local(size);
  for (int rank = 0; rank < size; ++rank)
    result.push_back(
        std::make_unique<Mailbox>(rank, size, ringcoll::erase(std::move(transports[static_cast<std::size_t>(rank)]))));
  return result;
}

struct Outcome {
  std::string error;
  int source = -2;
};

std::pair<Mailbox::Done, std::future<Outcome>> outcome() {
  const auto promise = std::make_shared<std::promise<Outcome>>();
  return {
      [promise](const ringcoll::Error* error, int source) { promise->set_value({error ? error->what() : "", source}); },
      promise->get_future()};
}

Elements elements_of(std::vector<int>& data) {
  return {data.data(), data.size(), ringcoll::DataType::int32, sizeof(int)};
}

std::future<Outcome> send(Mailbox& from, std::vector<int>& data, int to, Mailbox::Tag tag,
                          Mailbox::Clock::duration patience = 20s) {
  auto [done, future] = outcome();
  from.send(elements_of(data), to, tag, patience, done);
  return std::move(future);
}
std::future<Outcome> receive(Mailbox& at, std::vector<int>& data, int from, Mailbox::Tag tag,
                             Mailbox::Clock::duration patience = 20s) {
  auto [done, future] = outcome();
  at.receive(elements_of(data), from, tag, patience, done);
  return std::move(future);
}

}  // namespace

TEST_CASE("a mailbox matches messages by source and tag, in any order of the receives") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 draw(seed);
    constexpr int size = 3, tags = 4, count = 6;
    auto boxes = mailboxes(size);
    struct Message {
      int from, to, tag, number;
      std::vector<int> sent, received;
      std::future<Outcome> left, arrived;
    };
    std::vector<Message> messages;
    for (int from = 0; from < size; ++from)
      for (int to = 0; to < size; ++to)
        for (int tag = 0; tag < tags && from != to; ++tag)
          for (int number = 0; number < count; ++number) {
            const std::size_t length = draw() % 3 == 0 ? 100'000 : draw() % 5;
            messages.push_back({from,
                                to,
                                tag,
                                number,
                                std::vector<int>(length, tag * 100 + number),
                                std::vector<int>(length),
                                {},
                                {}});
          }
    // A tag's messages keep their order; whole tags are received in one that is drawn.
    for (Message& m : messages)
      m.left = send(*boxes[static_cast<std::size_t>(m.from)], m.sent, m.to, static_cast<Mailbox::Tag>(m.tag));
    std::vector<int> order = {0, 1, 2, 3};
    std::shuffle(order.begin(), order.end(), draw);
    for (const int tag : order)
      for (Message& m : messages)
        if (m.tag == tag)
          m.arrived =
              receive(*boxes[static_cast<std::size_t>(m.to)], m.received, m.from, static_cast<Mailbox::Tag>(tag));
    for (Message& m : messages) {
      const Outcome arrived = m.arrived.get();
      CHECK(arrived.error == "");
      CHECK(arrived.source == m.from);
      CHECK(m.received == m.sent);
      CHECK(m.left.get().error == "");
    }
  }
}

TEST_CASE("a receive from anybody goes on while somebody is left, and ends when nobody is") {
  auto boxes = mailboxes(3);
  std::vector<int> data(1), hello(1, 7), none(1);
  auto first = receive(*boxes[0], data, Mailbox::anybody, 0);
  send(*boxes[1], hello, 0, 0).get();
  CHECK(first.get().source == 1);
  auto second = receive(*boxes[0], data, Mailbox::anybody, 0);
  boxes[1].reset();
  CHECK(second.wait_for(100ms) == std::future_status::timeout);
  send(*boxes[2], hello, 0, 0).get();
  CHECK(second.get().source == 2);
  auto third = receive(*boxes[0], none, Mailbox::anybody, 0);
  boxes[2].reset();
  CHECK(third.get().error.find("rank 2 has left") != std::string::npos);
}

TEST_CASE("a receive whose deadline passes fails alone") {
  auto boxes = mailboxes(2);
  std::vector<int> data(3), sent(3, 5);
  const Outcome late = receive(*boxes[0], data, 1, 4, 50ms).get();
  CHECK(late.error == "ringcoll: receive from rank 1 with tag 4: nothing has arrived after 50 ms");
  auto next = receive(*boxes[0], data, 1, 4);
  send(*boxes[1], sent, 0, 4).get();
  CHECK(next.get().error == "");
  CHECK(data == sent);
}

TEST_CASE("lengths that differ are an error of the receive, and the next message is right") {
  auto boxes = mailboxes(2);
  std::vector<int> four(4, 1), five(5), right(4);
  send(*boxes[1], four, 0, 0).get();
  CHECK(
      receive(*boxes[0], five, 1, 0).get().error.find("rank 1 sent 4 int32 with tag 0, but rank 0 receives 5 int32") !=
      std::string::npos);
  send(*boxes[1], four, 0, 0).get();
  CHECK(receive(*boxes[0], right, 1, 0).get().error == "");
  CHECK(right == four);
}

TEST_CASE("what a mailbox is failed with reaches what is under way, what follows, and its peers") {
  auto boxes = mailboxes(2);
  std::vector<int> a(1), b(1), c(1);
  auto here = receive(*boxes[0], a, 1, 0), there = receive(*boxes[1], b, 0, 0);
  boxes[0]->fail(ringcoll::Error(ringcoll::Errc::aborted, "enough", 0));
  CHECK(here.get().error == "ringcoll: enough");
  CHECK(there.get().error.find("enough") != std::string::npos);
  CHECK(receive(*boxes[0], c, 1, 0).get().error == "ringcoll: enough");
}

TEST_CASE("a mailbox refuses messages to itself, to no rank, and after its end") {
  auto boxes = mailboxes(2);
  std::vector<int> data(1);
  CHECK_THROWS_AS(send(*boxes[0], data, 0, 0), ringcoll::Error);
  CHECK_THROWS_AS(send(*boxes[0], data, 2, 0), ringcoll::Error);
  CHECK_THROWS_AS(send(*boxes[0], data, Mailbox::anybody, 0), ringcoll::Error);
  boxes[0]->close();
  CHECK_THROWS_AS(receive(*boxes[0], data, 1, 0), ringcoll::Error);
}

TEST_CASE("a lane runs jobs in their order, also those that callers run themselves") {
  std::vector<int> seen;  // only one job runs at a time, so it needs no lock
  int pushed = 0;
  {
    Lane lane;
    for (int i = 0; i < 1000; ++i) {
      const int number = pushed++;
      const auto job = [&seen, number] { seen.push_back(number); };
      if (i % 3 != 0 || !lane.run_now(job)) lane.push(job);
    }
  }
  REQUIRE(seen.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a lane's job may run the ones behind it") {
  Lane lane;
  std::promise<int> inner;
  std::atomic<bool> second_pushed{false};
  lane.push([&] {
    while (!second_pushed) std::this_thread::yield();
    CHECK(Lane::current() == &lane);
    CHECK(lane.run_next());
    CHECK(inner.get_future().get() == 5);
    CHECK_FALSE(lane.run_next());
  });
  lane.push([&] { inner.set_value(5); });
  second_pushed = true;
  lane.close();
}
