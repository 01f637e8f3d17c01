// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ringcoll/transport.hpp>

// What the conformance suite is written with: ranks on threads, waits that end, and messages that can be checked.
namespace conformance {

using ringcoll::Errc;
using ringcoll::Error;
using ringcoll::Header;
using ringcoll::Link;
using ringcoll::Slot;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

inline void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

template <class T>
using World = std::vector<std::unique_ptr<T>>;

/// Calls f(rank, transport) on a thread for each rank; what one throws is thrown here. A rank whose f has returned
/// goes on making progress until all have: what it published may still be on its way.
template <class T, class F>
void on_all(World<T>& world, F f) {
  std::vector<std::exception_ptr> failures(world.size());
  std::vector<std::thread> threads;
  std::atomic<std::size_t> ended{0};
  for (std::size_t i = 0; i < world.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        f(static_cast<int>(i), *world[i]);
      } catch (...) {
        failures[i] = std::current_exception();
      }
      for (++ended; ended < world.size(); ::sched_yield()) world[i]->progress();
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

/// Makes progress until `done`.
template <class T, class F>
void wait_until(T& transport, const char* what, F done, std::chrono::seconds longest = 10s) {
  const Clock::time_point end = Clock::now() + longest;
  while (!done()) {
    transport.progress();
    ::sched_yield();
    if (Clock::now() >= end) throw std::runtime_error(std::string("this did not happen: ") + what);
  }
}

/// The message that the `index`th of a sequence is: its header and its bytes follow from that.
struct Message {
  std::uint64_t sequence, index;
  std::size_t bytes;

  Header header() const { return {{sequence, bytes}, index}; }
  std::byte at(std::size_t i) const { return static_cast<std::byte>((i * 131 + index * 31 + sequence) >> (i % 3)); }
  void write(const Slot& slot) const {
    require(slot.bytes == bytes, "reserve gives room for as much as was asked for");
    require(reinterpret_cast<std::uintptr_t>(slot.payload) % 32 == 0, "room to send is aligned to 32 bytes");
    *slot.header = header();
    for (std::size_t i = 0; i < bytes; ++i) slot.payload[i] = at(i);
  }
  void check(const Slot& slot) const {
    require(*slot.header == header(), "the header arrives as sent, in order");
    require(slot.bytes == bytes, "the size arrives as sent");
    require(reinterpret_cast<std::uintptr_t>(slot.payload) % 32 == 0, "a received message is aligned to 32 bytes");
    std::size_t right = 0;
    while (right < bytes && slot.payload[right] == at(right)) ++right;
    require(right == bytes, "all bytes of a message arrive");
  }
  bool try_send(Link& link) const {
    const Slot slot = link.reserve(bytes);
    if (!slot) return false;
    write(slot);
    link.publish();
    return true;
  }
  bool try_receive(Link& link) const {
    const Slot slot = link.peek();
    if (!slot) return false;
    check(slot);
    link.release();
    return true;
  }
};

template <class T>
void send(T& transport, Link& link, const Message& message) {
  wait_until(transport, "there is room to send", [&] { return message.try_send(link); });
}
template <class T>
void receive(T& transport, Link& link, const Message& message) {
  wait_until(transport, "a message arrives", [&] { return message.try_receive(link); });
}
/// Sends until nothing fits for a while, or `most` messages are on their way. Returns how many.
template <class T>
std::uint64_t fill(T& transport, Link& link, std::size_t bytes, std::uint64_t most = 400) {
  std::uint64_t sent = 0;
  send(transport, link, {1, sent++, bytes});  // connects
  for (Clock::time_point last = Clock::now(); sent < most && Clock::now() - last < 50ms;) {
    if (Message{1, sent, bytes}.try_send(link)) ++sent, last = Clock::now();
    else transport.progress();
  }
  return sent;
}

/// The error that `f` throws before long.
template <class T, class F>
Error error_of(T& transport, const char* what, F f) {
  std::optional<Error> thrown;
  wait_until(transport, what, [&] {
    try {
      f();
    } catch (const Error& error) {
      thrown = error;
    }
    return thrown.has_value();
  });
  return *thrown;
}

/// Everything that two ranks exchange on one link, in both directions, as it goes.
class Exchange {
 public:
  Exchange(Link& link, std::uint64_t out, std::uint64_t in, std::uint64_t count, std::size_t longest)
      : link_(link), out_(out), in_(in), count_(count), longest_(longest), sizes_out_(out), sizes_in_(in) {
    next_out_ = sizes_out_() % (longest_ + 1);
    next_in_ = sizes_in_() % (longest_ + 1);
  }
  bool done() const { return sent_ == count_ && received_ == count_; }
  void try_send() {
    if (sent_ == count_ || !Message{out_, sent_, next_out_}.try_send(link_)) return;
    ++sent_;
    next_out_ = sizes_out_() % (longest_ + 1);
  }
  void try_receive() {
    if (received_ == count_ || !Message{in_, received_, next_in_}.try_receive(link_)) return;
    ++received_;
    next_in_ = sizes_in_() % (longest_ + 1);
  }

 private:
  Link& link_;
  std::uint64_t out_, in_, count_, sent_ = 0, received_ = 0;
  std::size_t longest_, next_out_, next_in_;
  std::minstd_rand sizes_out_, sizes_in_;  // of both ends alike
};

/// Random sizes, all pairs and two channels at once, in an order that differs from rank to rank.
template <class T>
void exchange_at_random(World<T>& world, std::uint64_t seed, std::uint64_t count) {
  on_all(world, [&](int rank, T& transport) {
    std::minstd_rand random(static_cast<unsigned>(seed) + static_cast<unsigned>(rank));
    std::vector<Exchange> exchanges;
    const auto number = [&](int from, int to, int channel) {
      return seed * 10007 + static_cast<std::uint64_t>(from * 331 + to * 17 + channel) + 1;
    };
    for (int peer = 0; peer < static_cast<int>(world.size()); ++peer)
      for (int channel = 0; channel < 2 && peer != rank; ++channel)
        exchanges.emplace_back(transport.link(peer, channel), number(rank, peer, channel), number(peer, rank, channel),
                               count, channel == 0 ? transport.frame_bytes() : 300);
    wait_until(transport, "all messages of a random exchange arrive", [&] {
      bool done = true;
      for (Exchange& exchange : exchanges) {
        const auto turns = random() % 8;
        for (unsigned i = 0; i < turns; ++i) random() % 2 ? exchange.try_send() : exchange.try_receive();
        done &= exchange.done();
      }
      return done;
    });
  });
}

/// Sleeps as the communicator does until `ready`, but for long; true if that was woken up in time.
template <class T, class F>
bool sleep_until(T& transport, F ready) {
  for (int naps = 0; naps < 100; ++naps) {
    transport.progress();
    transport.arm();
    bool done = ready();
    pollfd wake{.fd = transport.wait_fd(), .events = POLLIN, .revents = 0};
    const bool woken = done || ::poll(&wake, 1, 5000) > 0;
    transport.disarm();
    transport.progress();
    if (!woken) return false;
    if (done || ready()) return true;
  }
  return false;
}

}  // namespace conformance
