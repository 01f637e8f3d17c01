// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/detail/small_map.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0 {
namespace detail {

/// Zeroed memory of this process; a page of it costs nothing until it is first written.
class ZeroedPages {
 public:
  explicit ZeroedPages(std::size_t bytes)
      : data_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), bytes_(bytes) {
    if (data_ == MAP_FAILED) throw system_error("mmap of " + std::to_string(bytes) + " bytes for a link");
  }
  ZeroedPages(const ZeroedPages&) = delete;
  ZeroedPages& operator=(const ZeroedPages&) = delete;
  ~ZeroedPages() { ::munmap(data_, bytes_); }

  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
  std::size_t bytes_;
};

/// Where the ranks of one local communicator meet: their bells, their last words, and the rings between them.
class LocalHub {
 public:
  /// What the others see of one rank.
  struct alignas(cache_line) Seat {
    std::atomic<std::uint32_t> sleeping{0};
    std::atomic<bool> closed{false};
    std::optional<Error> cause;  // written before `closed`
    Fd bell = make_eventfd();
  };

  /// The memory of one channel between two ranks: a ring for each direction.
  class Rings {
   public:
    explicit Rings(std::size_t ring_bytes) : ring_bytes_(ring_bytes), pages_(2 * ring_bytes) {}

    /// The ring that the lower (0) or the higher (1) rank of the pair sends on.
    RingMemory from(int side) {
      return {&shared_[side], pages_.data() + static_cast<std::size_t>(side) * ring_bytes_, ring_bytes_};
    }

   private:
    std::size_t ring_bytes_;
    ZeroedPages pages_;
    RingShared shared_[2];
  };

  explicit LocalHub(int size) : size_(size), seats_(std::make_unique<Seat[]>(static_cast<std::size_t>(size))) {}

  int size() const { return size_; }
  Seat& seat(int rank) const { return seats_[static_cast<std::size_t>(rank)]; }
  /// How many ranks have closed; all that a rank needs to look at while nobody has.
  int closed() const { return closed_.load(std::memory_order_acquire); }

  Rings& rings(int a, int b, int channel) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Rings>& rings = rings_[a < b ? Place{a, b, channel} : Place{b, a, channel}];
    if (!rings) rings = std::make_unique<Rings>(RingSizes::ring_bytes(channel, size_ > few_ranks));
    return *rings;
  }

  void close(int rank, const Error* cause) {
    const std::lock_guard lock(mutex_);
    Seat& own = seat(rank);
    if (own.closed.load(std::memory_order_relaxed)) return;
    if (cause != nullptr) own.cause = *cause;
    own.closed.store(true, std::memory_order_release);
    closed_.fetch_add(1, std::memory_order_release);
    for (int peer = 0; peer < size_; ++peer) bell(peer).ring_if_asleep();
  }

  Bell bell(int rank) const { return {&seat(rank).sleeping, seat(rank).bell.get()}; }

  /// The hub of `members` for one `context`: the first of them to ask makes it, and the last lets go of it here.
  std::shared_ptr<LocalHub> subset(std::uint64_t context, std::span<const int> members, int rank) {
    const std::lock_guard lock(mutex_);
    Subset& subset = subsets_[context];
    bool other_members = members.size() != subset.members.size();
    for (std::size_t i = 0; !other_members && i < members.size(); ++i) other_members = members[i] != subset.members[i];
    if (!subset.hub || other_members || subset.taken[static_cast<std::size_t>(rank)]) {
      // Also where an earlier use of this context was given up half way.
      subset = {std::make_shared<LocalHub>(static_cast<int>(members.size())),
                {members.begin(), members.end()},
                std::make_unique<bool[]>(members.size()),
                members.size()};
    }
    subset.taken[static_cast<std::size_t>(rank)] = true;
    std::shared_ptr<LocalHub> hub = subset.hub;
    if (--subset.missing == 0) subsets_.erase_if([](const Subset& s) { return s.hub && s.missing == 0; });
    return hub;
  }

 private:
  struct Place {
    int low, high, channel;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Subset {
    std::shared_ptr<LocalHub> hub;
    std::vector<int> members;
    std::unique_ptr<bool[]> taken;  // by its rank in `members`
    std::size_t missing = 0;
  };

  static constexpr int few_ranks = 16;  // with 4 MiB a pair, a rank's share stays below 64 MiB

  const int size_;
  const std::unique_ptr<Seat[]> seats_;
  std::atomic<int> closed_{0};
  std::mutex mutex_;  // of all below
  SmallMap<Place, std::unique_ptr<Rings>> rings_;
  SmallMap<std::uint64_t, Subset> subsets_;
};

}  // namespace detail

/// Ranks as threads of one process: rings in ordinary memory. What shared memory does between processes, without any
/// connecting, and ThreadSanitizer can see all of it.
class LocalTransport {
 public:
  LocalTransport(std::shared_ptr<detail::LocalHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}
  LocalTransport(const LocalTransport&) = delete;
  LocalTransport& operator=(const LocalTransport&) = delete;
  ~LocalTransport() { close(nullptr); }

  Link& link(int peer, int channel) {
    Peer& known = peers_[peer];
    known.state.rank = peer;
    std::unique_ptr<detail::RingLink>& link = known.links[channel];
    if (!link) {
      link = std::make_unique<detail::RingLink>(known.state);
      detail::LocalHub::Rings& rings = hub_->rings(rank_, peer, channel);
      link->connect(rings.from(rank_ < peer ? 0 : 1), rings.from(rank_ < peer ? 1 : 0), frame_bytes(),
                    hub_->bell(peer));
      look_at(known.state);
    }
    return *link;
  }

  std::size_t frame_bytes() const { return detail::RingSizes::frame_bytes; }
  int slots() const { return detail::RingSizes::slots; }

  void progress() {
    const int closed = hub_->closed();
    if (closed == closed_seen_) return;
    closed_seen_ = closed;
    peers_.for_each([&](Peer& peer) { look_at(peer.state); });
  }

  bool flushed() const { return true; }
  int wait_fd() const { return hub_->seat(rank_).bell.get(); }
  void arm() { hub_->seat(rank_).sleeping.store(1, std::memory_order_seq_cst); }
  void disarm() {
    hub_->seat(rank_).sleeping.store(0, std::memory_order_relaxed);
    std::uint64_t rung;
    [[maybe_unused]] const auto drained = ::read(wait_fd(), &rung, sizeof rung);  // nothing to read: nobody rang
  }

  void close(const Error* cause) noexcept { hub_->close(rank_, cause); }

  std::unique_ptr<LocalTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    return std::make_unique<LocalTransport>(hub_->subset(context, members, rank), rank);
  }

 private:
  struct Peer {
    detail::PeerState state;
    detail::SmallMap<int, std::unique_ptr<detail::RingLink>> links;  // by channel
  };

  void look_at(detail::PeerState& peer) const {
    const detail::LocalHub::Seat& seat = hub_->seat(peer.rank);
    if (peer.closed || !seat.closed.load(std::memory_order_acquire)) return;
    peer.cause = seat.cause;
    peer.closed = true;
  }

  std::shared_ptr<detail::LocalHub> hub_;
  int rank_;
  int closed_seen_ = 0;
  detail::SmallMap<int, Peer> peers_;  // those that this rank has a link to
};

static_assert(Transport<LocalTransport>);

/// Transports of `size` ranks that are threads of this process; hand each to its thread.
inline std::vector<std::unique_ptr<LocalTransport>> make_local(int size) {
  const auto hub = std::make_shared<detail::LocalHub>(size);
  std::vector<std::unique_ptr<LocalTransport>> transports;
  for (int rank = 0; rank < size; ++rank) transports.push_back(std::make_unique<LocalTransport>(hub, rank));
  return transports;
}

}  // namespace ringcoll::inline v0
