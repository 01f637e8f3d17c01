// SPDX-License-Identifier: Apache-2.0
// A transport as a user would write it, from ringcoll's public headers alone: queues of messages behind a mutex.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <ringcoll/error.hpp>
#include <ringcoll/transport.hpp>

#include "transport/conformance.hpp"

namespace {

using ringcoll::Errc;
using ringcoll::Error;
using ringcoll::Header;
using ringcoll::Link;
using ringcoll::Slot;

constexpr std::size_t frame_bytes = 10000;
constexpr int slots = 3;

struct QueuedMessage {
  struct alignas(32) Line {
    std::byte bytes[32];
  };
  explicit QueuedMessage(std::size_t size) : bytes(size), lines(size / sizeof(Line) + 1) {}
  Slot slot() { return {&header, lines[0].bytes, bytes}; }

  std::size_t bytes;
  Header header{};
  std::vector<Line> lines;
};

/// What the ranks of one communicator share.
struct Hall {
  struct End {
    bool closed = false;
    std::optional<Error> cause;
  };
  using Queue = std::deque<std::unique_ptr<QueuedMessage>>;

  explicit Hall(std::size_t size) : ends(size) {}

  std::mutex mutex;
  std::vector<End> ends;                              // by rank
  std::map<std::tuple<int, int, int>, Queue> queues;  // from, to, channel
  std::map<std::uint64_t, std::shared_ptr<Hall>> subsets;
};

class QueueLink final : public Link {
 public:
  QueueLink(Hall& hall, int rank, int peer, int channel)
      : hall_(hall), peer_(peer), out_(hall.queues[{rank, peer, channel}]), in_(hall.queues[{peer, rank, channel}]) {}

  Slot reserve(std::size_t bytes) override {
    const std::lock_guard lock(hall_.mutex);
    throw_if_closed();
    if (out_.size() == slots) return {};
    if (!reserved_ || reserved_->bytes != bytes) reserved_ = std::make_unique<QueuedMessage>(bytes);
    return reserved_->slot();
  }
  void publish() override {
    const std::lock_guard lock(hall_.mutex);
    out_.push_back(std::move(reserved_));
  }
  Slot peek() override {
    const std::lock_guard lock(hall_.mutex);
    if (!in_.empty()) return in_.front()->slot();
    throw_if_closed();
    return {};
  }
  void release() override {
    const std::lock_guard lock(hall_.mutex);
    in_.pop_front();
  }

 private:
  void throw_if_closed() const {
    const Hall::End& end = hall_.ends[static_cast<std::size_t>(peer_)];
    if (end.cause) throw *end.cause;
    if (end.closed) throw Error(Errc::peer_failed, "rank " + std::to_string(peer_) + " has left", peer_);
  }

  Hall& hall_;
  int peer_;
  Hall::Queue &out_, &in_;
  std::unique_ptr<QueuedMessage> reserved_;
};

class QueueTransport {
 public:
  QueueTransport(std::shared_ptr<Hall> hall, int rank) : hall_(std::move(hall)), rank_(rank) {}
  ~QueueTransport() { close(nullptr); }

  Link& link(int peer, int channel) {
    std::unique_ptr<QueueLink>& link = links_[{peer, channel}];
    const std::lock_guard lock(hall_->mutex);
    if (!link) link = std::make_unique<QueueLink>(*hall_, rank_, peer, channel);
    return *link;
  }
  std::size_t frame_bytes() const { return ::frame_bytes; }
  int slots() const { return ::slots; }
  void progress() {}
  bool flushed() const { return true; }
  int wait_fd() const { return -1; }
  void arm() {}
  void disarm() {}
  void close(const Error* cause) noexcept {
    const std::lock_guard lock(hall_->mutex);
    Hall::End& end = hall_->ends[static_cast<std::size_t>(rank_)];
    if (end.closed) return;
    end.closed = true;
    if (cause) end.cause = *cause;
  }
  std::unique_ptr<QueueTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    const std::lock_guard lock(hall_->mutex);
    std::shared_ptr<Hall>& hall = hall_->subsets[context];
    if (!hall) hall = std::make_shared<Hall>(members.size());
    return std::make_unique<QueueTransport>(hall, rank);
  }

 private:
  std::shared_ptr<Hall> hall_;
  int rank_;
  std::map<std::pair<int, int>, std::unique_ptr<QueueLink>> links_;
};

static_assert(ringcoll::Transport<QueueTransport>);

}  // namespace

TEST_CASE("a user's own transport satisfies the contract") {
  conformance::check([](int size) {
    const auto hall = std::make_shared<Hall>(static_cast<std::size_t>(size));
    std::vector<std::unique_ptr<QueueTransport>> transports;
    for (int rank = 0; rank < size; ++rank) transports.push_back(std::make_unique<QueueTransport>(hall, rank));
    return transports;
  });
}
