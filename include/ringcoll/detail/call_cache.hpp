// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <ringcoll/execute.hpp>

namespace ringcoll::inline v0::detail {

/// All of a blocking call but for where its data and its op lie: calls alike in this have the same schedule, chunks and
/// rounds.
struct CallShape {
  struct Part {
    std::size_t count = 0, per_chunk = 0;
    int only = none;
    friend bool operator==(const Part&, const Part&) = default;
  };

  Kernel kernel = nullptr;
  std::size_t element_bytes = 0, count = 0, bytes = 0;
  Part in, out;
  int root = none, peer = none;
  const char* schedule = nullptr;
  Collective collective = Collective::barrier;
  DataType type = DataType::other;
  OpId op = OpId::absent;
  bool commutative = true, sends = false, reproducible = false;

  friend bool operator==(const CallShape&, const CallShape&) = default;
};

/// The latest calls, one for each kind of shape: training makes the same few again and again, and finding one here
/// costs a tenth of choosing its schedule anew.
class CallCache {
 public:
  struct Entry {
    CallShape shape;
    Call call;
    bool known = false;
  };

  /// Where a call of this shape is, or may be put.
  Entry& at(const CallShape& shape) {
    const std::size_t mixed = shape.count * 0x9e3779b97f4a7c15 + static_cast<std::size_t>(shape.collective) * 5;
    return entries_[(mixed >> 32 ^ mixed) % places];
  }

  void forget() {
    for (Entry& entry : entries_) entry.known = false;
  }

 private:
  static constexpr std::size_t places = 16;
  Entry entries_[places];
};

}  // namespace ringcoll::inline v0::detail
