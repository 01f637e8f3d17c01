// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/allreduce.hpp>
#include <ringcoll/communicator.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// Sums gradients over all ranks while the layers before them still compute theirs.
///
/// Small layers wait for their neighbours and travel together, in buckets: a message costs its latency however short it
/// is. Buckets are parts of the one gradient vector, so nothing is copied to fill them.
class GradientSum {
 public:
  /// Starts a bucket as soon as it holds `bucket_bytes`.
  GradientSum(ringcoll::Communicator& comm, std::span<float> gradients, std::size_t bucket_bytes)
      : comm_(comm), gradients_(gradients), bucket_bytes_(bucket_bytes) {}

  /// The gradients of a layer are final: the last layer first, then the one before it, to the first.
  void ready(std::span<float> layer) {
    bucket_ = {layer.data(), bucket_.size() + layer.size()};
    if (bucket_.size_bytes() < bucket_bytes_ && layer.data() != gradients_.data()) return;
    bytes_ += bucket_.size_bytes();
    under_way_.push_back(ringcoll::start_allreduce(comm_, std::exchange(bucket_, {})));
  }

  /// Returns when all gradients hold the sum of every rank's.
  void wait() {
    for (auto& work : under_way_) work.wait();
    under_way_.clear();
  }

  /// Gradients given to allreduce so far.
  std::size_t bytes() const { return bytes_; }

 private:
  using Work = decltype(ringcoll::start_allreduce(std::declval<ringcoll::Communicator&>(), std::span<float>()));

  ringcoll::Communicator& comm_;
  std::span<float> gradients_;
  std::size_t bucket_bytes_;
  std::span<float> bucket_;  // final, not yet started
  std::vector<Work> under_way_;
  std::size_t bytes_ = 0;
};
