// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <ringcoll/detail/small_map.hpp>
#include <ringcoll/detail/time.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/execute.hpp>

namespace ringcoll::inline v0::detail {

/// Memory aligned to cache lines that only grows.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  AlignedBytes(AlignedBytes&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
    other.bytes_ = 0;
  }
  AlignedBytes& operator=(AlignedBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBytes() { ::operator delete(data_, std::align_val_t{64}); }

  std::byte* at_least(std::size_t bytes) {
    if (bytes > bytes_) {
      AlignedBytes larger;
      larger.data_ = ::operator new(bytes, std::align_val_t{64});
      larger.bytes_ = bytes;
      *this = std::move(larger);
    }
    return static_cast<std::byte*>(data_);
  }
  std::size_t size() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A call that runs beside others: owns all that a blocking call keeps on its stack. Guarded by its member's mutex, but
/// for `state`.
struct Operation {
  enum class State { running, done, failed };

  Call call;
  std::vector<std::size_t> in_offsets, out_offsets;
  AlignedBytes scratch;
  Running running;
  Clock::time_point deadline;
  std::optional<Error> error;
  std::atomic<State> state{State::running};

  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;
};

/// An operation with its op; data movers have none.
template <class Op>
struct OperationWith final : Operation {
  explicit OperationWith(const Op& o) : op(o) {}
  Op op;
};

/// Operations under way on one communicator. Collectives run one after the other, in the order in which every rank
/// calls them; sends to a peer, and receives from a peer, too. Beyond that everything advances at once.
class OperationQueue {
 public:
  using Entry = std::shared_ptr<Operation>;

  void push_collective(Entry entry) { collectives_.push_back(std::move(entry)); }
  void push_send(int peer, Entry entry) { point_to_point_[{peer, true}].push_back(std::move(entry)); }
  void push_receive(int peer, Entry entry) { point_to_point_[{peer, false}].push_back(std::move(entry)); }
  bool empty() const { return collectives_.empty() && point_to_point_.empty(); }

  /// Advances everything as far as it goes; true if anything moved. `failing` is the operation that throws, if one
  /// does.
  bool advance(Entry& failing) {
    bool moved = advance(collectives_, failing);
    point_to_point_.for_each([&](Line& line) { moved |= advance(line, failing); });
    point_to_point_.erase_if([](const Line& line) { return line.empty(); });
    return moved;
  }

  /// See Running. Those that wait in line have asked for their first links already.
  void look_ahead() {
    if (!collectives_.empty()) collectives_.front()->running.look_ahead();
  }

  void fail_all(const Error& error) {
    fail(collectives_, error);
    point_to_point_.for_each([&](Line& line) { fail(line, error); });
    point_to_point_.clear();
  }

  /// An operation whose deadline has passed, or null, and the one that it waits for, perhaps itself.
  std::pair<Entry, Entry> overdue(Clock::time_point now) const {
    std::pair<Entry, Entry> found = overdue(collectives_, now);
    point_to_point_.for_each([&](const Line& line) {
      if (!found.first) found = overdue(line, now);
    });
    return found;
  }

 private:
  using Line = std::deque<Entry>;
  struct Way {
    int peer;
    bool sends;
    friend bool operator==(const Way&, const Way&) = default;
  };

  static bool advance(Line& line, Entry& failing) {
    bool moved = false;
    while (!line.empty()) {
      failing = line.front();
      const std::uint64_t before = failing->running.moves();
      const bool done = failing->running.advance();
      moved |= done || failing->running.moves() != before;
      if (!done) break;
      failing->state.store(Operation::State::done, std::memory_order_release);
      line.pop_front();
    }
    failing = nullptr;
    return moved;
  }

  static std::pair<Entry, Entry> overdue(const Line& line, Clock::time_point now) {
    for (const Entry& entry : line)
      if (now >= entry->deadline) return {entry, line.front()};
    return {};
  }

  static void fail(Line& line, const Error& error) {
    for (const Entry& entry : line) {
      entry->error = error;
      entry->state.store(Operation::State::failed, std::memory_order_release);
    }
    line.clear();
  }

  Line collectives_;
  SmallMap<Way, Line> point_to_point_;
};

}  // namespace ringcoll::inline v0::detail
