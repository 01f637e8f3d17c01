// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ringcoll/communicator.hpp>

namespace ringcoll_torch {

/// Where the ranks of a group meet: what c10d hands to its backends.
class MeetingPlace {
 public:
  MeetingPlace() = default;
  MeetingPlace(const MeetingPlace&) = delete;
  MeetingPlace& operator=(const MeetingPlace&) = delete;
  virtual ~MeetingPlace() = default;

  virtual void set(const std::string& key, std::span<const std::byte> value) = 0;
  /// Waits until it is there; throws after `timeout`.
  virtual std::vector<std::byte> get(const std::string& key, std::chrono::nanoseconds timeout) = 0;
};

/// A group's communicator, and a transport of its own for messages beside it.
struct Joined {
  ringcoll::Communicator comm;
  std::unique_ptr<ringcoll::AnyTransport> messages;
};

/// Blocks until all ranks are there. `transport`: auto, shm or tcp; empty: RINGCOLL_TRANSPORT. Throws ringcoll::Error,
/// and what the place throws.
Joined join(MeetingPlace& place, int rank, int size, std::chrono::nanoseconds timeout, const std::string& transport);

}  // namespace ringcoll_torch
