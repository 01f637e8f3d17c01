// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks as threads that meet through the bootstrap, and what became of them.

#include <doctest/doctest.h>
#include <ringcoll/bootstrap.hpp>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace test {

using namespace ringcoll::bootstrap;
using namespace std::chrono_literals;
using ringcoll::Errc;
using ringcoll::Error;

/// What became of one rank.
struct Outcome {
  std::shared_ptr<Endpoint> endpoint;
  std::optional<Error> error;
};

inline Outcome join(const ConnectOptions& options) {
  try {
    return {rendezvous(launch_for(options), options), {}};
  } catch (const Error& error) {
    return {nullptr, error};
  }
}

/// Each of them joins in a thread of its own.
inline std::vector<Outcome> join_all(const std::vector<ConnectOptions>& ranks) {
  std::vector<Outcome> outcomes(ranks.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < ranks.size(); ++i) threads.emplace_back([&, i] { outcomes[i] = join(ranks[i]); });
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

inline std::string fresh_name() {
  return "unix:ringcoll-test-" + std::to_string(::getpid()) + "-" + std::to_string(random_number());
}

/// A TCP port of loopback that was free a moment ago.
inline std::string fresh_port() {
  const Socket s = listen_at(InetAddress::loopback().socket_address());
  SocketAddress bound;
  bound.bytes = sizeof bound.storage;
  ::getsockname(s.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.bytes);
  return InetAddress::from(bound.get()).to_string();
}

inline std::vector<ConnectOptions> ranks(int size, const std::string& address) {
  std::vector<ConnectOptions> result(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    ConnectOptions& options = result[static_cast<std::size_t>(rank)];
    options.rank = rank;
    options.size = size;
    options.address = address;
    if (!address.empty() && !address.starts_with("unix:")) options.secret = std::string(32, 'a');
    options.deadline = 20s;
  }
  return result;
}

inline bool contains(const Error& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

inline void check_all_met(const std::vector<Outcome>& outcomes) {
  for (const Outcome& outcome : outcomes) {
    if (outcome.error) FAIL_CHECK(outcome.error->what());
    REQUIRE(outcome.endpoint);
  }
  const int size = static_cast<int>(outcomes.size());
  for (int rank = 0; rank < size; ++rank) {
    const Endpoint& own = *outcomes[static_cast<std::size_t>(rank)].endpoint;
    CHECK(own.rank() == rank);
    CHECK(own.size() == size);
    for (int peer = 0; peer < size; ++peer)
      CHECK(own.address_of(peer) == outcomes[static_cast<std::size_t>(peer)].endpoint->address());
    CHECK(own.local_rank() == rank);
    CHECK(own.local_size() == size);
  }
}

/// A store as a user may have one, shared by the ranks of this process.
class MemoryStore final : public Store {
 public:
  void set(std::string_view key, std::span<const std::byte> value) override {
    const std::lock_guard lock(mutex_);
    values_[std::string(key)].assign(value.begin(), value.end());
    changed_.notify_all();
  }
  Bytes get(std::string_view key, std::chrono::nanoseconds timeout) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, timeout, [&] { return values_.count(std::string(key)) != 0; }))
      throw Error(Errc::timeout, "the store has no " + std::string(key));
    ++gets_;
    return values_[std::string(key)];
  }
  int gets() const { return gets_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Bytes> values_;
  int gets_ = 0;
};

}  // namespace test
