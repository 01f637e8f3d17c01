// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/carrier.hpp>
#include <ringcoll/transport.hpp>
#include <ringcoll/transports/tcp/link.hpp>

namespace ringcoll::inline v0 {

/// What a rank keeps for each connection: slots + 1 frames to send and about 512 KiB to receive, touched as needed.
struct TcpOptions {
  std::size_t frame_bytes = 256 << 10;  ///< loopback: calls of 64 KiB reach two thirds of what those of 256 KiB do
  int slots = 4;

  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

/// Ranks anywhere, one TCP connection for each pair and channel, made and authenticated by the bootstrap's endpoint
/// when first used. No thread: the caller's calls do all the work.
class TcpTransport {
 public:
  /// `members[i]` is the world's rank of this communicator's rank i.
  TcpTransport(std::shared_ptr<bootstrap::Endpoint> endpoint, std::uint64_t context, int rank, std::vector<int> members,
               const TcpOptions& options = {})
      : context_(context), rank_(rank), members_(std::move(members)), options_(options) {
    shared_.endpoint = std::move(endpoint);
    shared_.size = static_cast<int>(members_.size());
    shared_.frame_bytes = options.frame_bytes;
    shared_.slots = static_cast<std::size_t>(options.slots);
    shared_.endpoint->enter(context_, bootstrap::Via::tcp);
    shared_.epoll.watch(shared_.endpoint->fd(), EPOLLIN, endpoint_tag);
  }
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;
  ~TcpTransport() { close(nullptr); }

  Link& link(int peer, int channel) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<tcp::TcpLink>& link = links_[{peer, channel}];
    if (!link) {
      shared_.busy.reserve(links_.size());
      const bootstrap::Purpose purpose{.context = context_,
                                       .from = peer < rank_ ? peer : rank_,
                                       .to = peer < rank_ ? rank_ : peer,
                                       .channel = channel,
                                       .via = bootstrap::Via::tcp};
      link = std::make_unique<tcp::TcpLink>(shared_, purpose, rank_, members_[static_cast<std::size_t>(peer)]);
    }
    return *link;
  }

  std::size_t frame_bytes() const { return options_.frame_bytes; }
  int slots() const { return options_.slots; }

  void progress() {
    bool at_the_door = !shared_.busy.empty();
    shared_.epoll.collect([&](std::uint64_t tag, std::uint32_t) { at_the_door |= tag == endpoint_tag; });
    if (at_the_door) shared_.endpoint->progress();
    std::erase_if(shared_.busy, [](tcp::TcpLink* link) { return !link->advance(); });
    if (const tcp::Clock::time_point now = tcp::Clock::now(); now - checked_ >= tcp::TcpLink::beat_every) {
      checked_ = now;
      for (auto& [key, link] : links_) link->check();
    }
  }

  /// False while the kernel has not taken all that was published: then peers depend on further calls of progress().
  bool flushed() const {
    return std::none_of(shared_.busy.begin(), shared_.busy.end(),
                        [](tcp::TcpLink* link) { return link->has_unsent(); });
  }

  int wait_fd() const { return shared_.epoll.fd(); }
  void arm() {}     // what happens from now on makes wait_fd() readable anyhow,
  void disarm() {}  // and progress() takes note of it

  void close(const Error* cause) noexcept {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    const detail::Notice notice = detail::Notice::of(cause);
    for (auto& [key, link] : links_) link->leave(notice);
    const tcp::Clock::time_point deadline = tcp::Clock::now() + std::chrono::milliseconds(100);
    while (!said_all() && tcp::Clock::now() < deadline) {
      const timespec nap{.tv_sec = 0, .tv_nsec = 200'000};
      ::nanosleep(&nap, nullptr);
    }
    for (auto& [key, link] : links_) link->hang_up();
    shared_.endpoint->leave(context_, bootstrap::Via::tcp);
  }

  std::unique_ptr<TcpTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    std::vector<int> world;
    world.reserve(members.size());
    for (const int member : members) world.push_back(members_[static_cast<std::size_t>(member)]);
    return std::make_unique<TcpTransport>(shared_.endpoint, context, rank, std::move(world), options_);
  }

 private:
  static constexpr std::uint64_t endpoint_tag = 1;

  bool said_all() {
    bool all = true;
    for (auto& [key, link] : links_) all &= link->said_all();
    return all;
  }

  const std::uint64_t context_;
  const int rank_;
  const std::vector<int> members_;
  const TcpOptions options_;
  tcp::Shared shared_;
  tcp::Clock::time_point checked_ = tcp::Clock::now();
  std::mutex mutex_;                                                    // of the table of links, which close() reads
  std::map<std::pair<int, int>, std::unique_ptr<tcp::TcpLink>> links_;  // by peer and channel
  bool closed_ = false;
};

static_assert(Transport<TcpTransport>);

namespace tcp {

inline const bool registered = bootstrap::add_carrier(
    {"tcp", false, TcpOptions{}.frame_bytes,
     [](std::shared_ptr<bootstrap::Endpoint> endpoint, std::uint64_t context, int rank, std::vector<int> members,
        std::size_t frame_bytes) {
       // Shorter messages, more slots: as much data under way.
       const TcpOptions usual;
       const auto slots = static_cast<int>(usual.frame_bytes * static_cast<std::size_t>(usual.slots) / frame_bytes);
       return erase(std::make_unique<TcpTransport>(std::move(endpoint), context, rank, std::move(members),
                                                   TcpOptions{.frame_bytes = frame_bytes, .slots = slots}));
     }});

}  // namespace tcp

}  // namespace ringcoll::inline v0
