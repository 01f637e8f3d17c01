// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "join.hpp"
#include "lane.hpp"
#include "mailbox.hpp"

namespace ringcoll_torch {

/// What moves one process group's data: its collectives, one after the other on a lane, and its messages beside them.
class Group {
 public:
  explicit Group(Joined joined)
      : comm_(std::move(joined.comm)), mailbox_(comm_.rank(), comm_.size(), std::move(joined.messages)) {}

  int rank() const { return comm_.rank(); }
  int size() const { return comm_.size(); }
  /// For jobs of the lane.
  const ringcoll::Communicator& comm() const { return comm_; }
  Lane& lane() { return lane_; }
  Mailbox& mailbox() { return mailbox_; }

  /// A collective has failed: so the communicator is of no more use, and who waits for messages is told why.
  void failed(const ringcoll::Error& error) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = error;
    }
    mailbox_.fail(error);
  }
  std::optional<ringcoll::Error> failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  /// From any thread, returns within 100 ms.
  void abort() {
    comm_.abort();
    failed(ringcoll::Error(ringcoll::Errc::aborted, "rank " + std::to_string(rank()) + " called abort()", rank()));
  }

  /// Ends in good order: collectives and sends under way come to their end, receives are given up. Not from a job.
  void close() {
    lane_.close();
    mailbox_.close();
  }

 private:
  ringcoll::Communicator comm_;
  mutable std::mutex mutex_;
  std::optional<ringcoll::Error> failure_;
  Mailbox mailbox_;
  Lane lane_;
};

}  // namespace ringcoll_torch
