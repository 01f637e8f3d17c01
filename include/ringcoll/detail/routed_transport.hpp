// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/detail/bounds.hpp>
#include <ringcoll/detail/fd.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::detail {

/// Several transports as one: shared memory to these peers, TCP to those.
class RoutedTransport {
 public:
  /// `route[peer]` is the index of the transport that leads to `peer`. `frame_bytes` is what all transports of all
  /// ranks can do, also of ranks that use fewer of them: it must be the same everywhere.
  RoutedTransport(std::vector<std::unique_ptr<AnyTransport>> transports, std::vector<std::uint8_t> route,
                  std::size_t frame_bytes)
      : transports_(std::move(transports)), route_(std::move(route)), frame_bytes_(frame_bytes) {
    if (transports_.empty()) throw Error(Errc::invalid_argument, "a route needs at least one transport");
    slots_ = transports_[0]->slots();
    for (const auto& transport : transports_) {
      if (transport->frame_bytes() < frame_bytes)
        throw Error(Errc::invalid_argument, "a transport with frames of " + std::to_string(transport->frame_bytes()) +
                                                " bytes cannot carry frames of " + std::to_string(frame_bytes));
      slots_ = least(slots_, transport->slots());
      if (transport->wait_fd() >= 0) epoll_.watch(transport->wait_fd(), EPOLLIN);
      else naps_ = true;
    }
    for (const std::uint8_t index : route_)
      if (index >= transports_.size())
        throw Error(Errc::invalid_argument, "a route leads to transport " + std::to_string(index) + " of " +
                                                std::to_string(transports_.size()));
  }

  Link& link(int peer, int channel) { return transports_[route_[static_cast<std::size_t>(peer)]]->link(peer, channel); }
  std::size_t frame_bytes() const { return frame_bytes_; }
  int slots() const { return slots_; }

  void progress() {
    for (const auto& transport : transports_) transport->progress();
  }
  bool flushed() const {
    for (const auto& transport : transports_)
      if (!transport->flushed()) return false;
    return true;
  }
  int wait_fd() const { return naps_ ? -1 : epoll_.fd(); }
  void arm() {
    for (const auto& transport : transports_) transport->arm();
  }
  void disarm() {
    for (const auto& transport : transports_) transport->disarm();
  }
  void close(const Error* cause) noexcept {
    for (const auto& transport : transports_) transport->close(cause);
  }

  std::unique_ptr<RoutedTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    std::vector<std::unique_ptr<AnyTransport>> transports;
    for (const auto& transport : transports_) transports.push_back(transport->subset(context, members, rank));
    std::vector<std::uint8_t> route;
    route.reserve(members.size());
    for (const int member : members) route.push_back(route_[static_cast<std::size_t>(member)]);
    return std::make_unique<RoutedTransport>(std::move(transports), std::move(route), frame_bytes_);
  }

 private:
  std::vector<std::unique_ptr<AnyTransport>> transports_;
  std::vector<std::uint8_t> route_;  // by peer
  std::size_t frame_bytes_;
  int slots_ = 0;
  bool naps_ = false;  // one of them cannot wake us
  Epoll epoll_;
};

static_assert(Transport<RoutedTransport>);

}  // namespace ringcoll::inline v0::detail
