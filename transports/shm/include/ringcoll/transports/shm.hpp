// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
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
#include <ringcoll/transports/shm/peer.hpp>

namespace ringcoll::inline v0 {

/// Ranks of one machine: rings in memory that both ends of a pair map, made when first used and passed over a unix
/// socket that the bootstrap's endpoint has authenticated. The socket stays open, so that a peer's death is noticed.
class ShmTransport {
 public:
  /// `members[i]` is the world's rank of this communicator's rank i. Those that are used must be on this machine.
  ShmTransport(std::shared_ptr<bootstrap::Endpoint> endpoint, std::uint64_t context, int rank, std::vector<int> members)
      : context_(context), rank_(rank), members_(std::move(members)) {
    shared_.endpoint = std::move(endpoint);
    shared_.size = static_cast<int>(members_.size());
    shared_.endpoint->enter(context_, bootstrap::Via::unix_socket);
    shared_.epoll.watch(shared_.endpoint->fd(), EPOLLIN, endpoint_tag);
    shared_.epoll.watch(shared_.bell.get(), EPOLLIN | EPOLLET, bell_tag);  // by edges, it need never be read
  }
  ShmTransport(const ShmTransport&) = delete;
  ShmTransport& operator=(const ShmTransport&) = delete;
  ~ShmTransport() { close(nullptr); }

  Link& link(int peer, int channel) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<shm::ShmPeer>& known = peers_[peer];
    if (!known) {
      const bootstrap::Purpose purpose{.context = context_,
                                       .from = peer < rank_ ? peer : rank_,
                                       .to = peer < rank_ ? rank_ : peer,
                                       .channel = 0,
                                       .via = bootstrap::Via::unix_socket};
      known = std::make_unique<shm::ShmPeer>(shared_, purpose, rank_, members_[static_cast<std::size_t>(peer)]);
      connecting_.push_back(known.get());
    }
    return known->link(channel);
  }

  std::size_t frame_bytes() const { return detail::RingSizes::frame_bytes; }
  int slots() const { return detail::RingSizes::slots; }

  void progress() {
    bool at_the_door = !connecting_.empty();
    shared_.epoll.collect([&](std::uint64_t tag, std::uint32_t) {
      if (tag == endpoint_tag) at_the_door = true;
      else if (tag != bell_tag) listen_to(static_cast<int>(tag - 1));
    });
    if (!at_the_door) return;
    shared_.endpoint->progress();
    const std::lock_guard lock(mutex_);
    std::erase_if(connecting_, [](shm::ShmPeer* peer) { return !peer->connect(); });
  }

  bool flushed() const { return true; }
  int wait_fd() const { return shared_.epoll.fd(); }
  void arm() {
    for (std::atomic<std::uint32_t>* word : shared_.sleeping) word->store(1, std::memory_order_seq_cst);
  }
  void disarm() {
    for (std::atomic<std::uint32_t>* word : shared_.sleeping) word->store(0, std::memory_order_relaxed);
  }

  void close(const Error* cause) noexcept {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    const detail::Notice notice = detail::Notice::of(cause);
    for (auto& [rank, peer] : peers_) peer->leave(notice);
    shared_.endpoint->leave(context_, bootstrap::Via::unix_socket);
  }

  std::unique_ptr<ShmTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    std::vector<int> world;
    world.reserve(members.size());
    for (const int member : members) world.push_back(members_[static_cast<std::size_t>(member)]);
    return std::make_unique<ShmTransport>(shared_.endpoint, context, rank, std::move(world));
  }

  /// Bytes of shared memory that this rank maps; each is shared with one peer.
  std::size_t memory_used() const { return shared_.memory_used; }

 private:
  // Tags of what epoll reports; a peer's is its rank + 1.
  static constexpr std::uint64_t bell_tag = ~std::uint64_t{0}, endpoint_tag = bell_tag - 1, dialer_tag = 0;

  void listen_to(int rank) {
    const std::lock_guard lock(mutex_);
    if (const auto peer = peers_.find(rank); peer != peers_.end()) peer->second->listen();
  }

  const std::uint64_t context_;
  const int rank_;
  const std::vector<int> members_;
  shm::Shared shared_;
  std::mutex mutex_;  // of what close() needs
  std::map<int, std::unique_ptr<shm::ShmPeer>> peers_;
  std::vector<shm::ShmPeer*> connecting_;
  bool closed_ = false;
};

static_assert(Transport<ShmTransport>);

namespace shm {

inline const bool registered = bootstrap::add_carrier(
    {"shm", true, detail::RingSizes::frame_bytes,
     [](std::shared_ptr<bootstrap::Endpoint> endpoint, std::uint64_t context, int rank, std::vector<int> members,
        std::size_t) {
       return erase(std::make_unique<ShmTransport>(std::move(endpoint), context, rank, std::move(members)));
     }});

}  // namespace shm

}  // namespace ringcoll::inline v0
