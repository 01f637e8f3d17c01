// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

namespace ringcoll::inline v0 {

/// No rank: nothing is received, or nothing is sent.
inline constexpr int none = -1;

/// `a mod size`, in 0 … size-1 for negative `a` too.
constexpr int wrap(int a, int size) { return (a % size + size) % size; }

/// Where a step's data lies on this rank: one chunk of a buffer.
struct Piece {
  enum class Buffer : std::uint8_t {
    nothing,
    input,   ///< the caller's input; may be the same memory as output, so a chunk is dead once output(chunk) is written
    output,  ///< the caller's output
    scratch,  ///< the executor's: as long as the input's chunk, at a place mod scratch_chunks(); lives for one round
  };

  Buffer buffer = Buffer::nothing;
  int chunk = 0;
  int place = 0;  ///< of scratch

  constexpr explicit operator bool() const { return buffer != Buffer::nothing; }
  friend constexpr bool operator==(const Piece&, const Piece&) = default;
};

constexpr Piece input(int chunk) { return {Piece::Buffer::input, chunk}; }
constexpr Piece output(int chunk) { return {Piece::Buffer::output, chunk}; }
constexpr Piece scratch(int chunk) { return {Piece::Buffer::scratch, chunk, chunk}; }
constexpr Piece scratch(int chunk, int place) { return {Piece::Buffer::scratch, chunk, place}; }

/// Which operand stands on the left of the op. Matters for ops that do not commute, and for the last bit of those that
/// do.
enum class Order : std::uint8_t { received_first, received_last };

/// What one rank does at one step: combine what `from` sends with the own `src`, keep the value in `dst`, send it to
/// `to`.
///
/// Each part may be absent. With one operand there is nothing to combine: the value is that operand. Two own operands
/// (`src` op `with`, nothing received) are possible too. A step happens when its message has arrived and the link to
/// `to` has a free slot; a rank does its steps in order.
///
/// A step may carry several pieces in one message: this is the first of `parts`, `part(rank, step, j)` of the schedule
/// names the j-th, whose `from`, `to` and `parts` do not count.
struct Step {
  int from = none;
  Piece src = {};
  Piece dst = {};
  int to = none;
  Piece with = {};                      ///< right operand when nothing is received
  Order order = Order::received_first;  ///< received op src, or src op received
  bool complete = false;                ///< the value now holds every rank's contribution (avg divides here)
  int parts = 1;                        ///< pieces in the message

  friend constexpr bool operator==(const Step&, const Step&) = default;
};

/// A collective algorithm: a pure function of rank and step. It holds no data and does no I/O.
///
/// - `s(rank, i)`: what `rank` does at step `i`, for 0 <= i < `s.steps()`; an empty Step is skipped.
/// - `s.steps()`: how many steps the longest rank has. Where ranks differ much, `s.steps(rank)` as well.
/// - `s.chunks()`: the equal parts (for the v variants: the parts given by the counts) that the data is cut into.
/// - `s.slots()`: messages that may be under way on one link at once; with fewer slots than this it can deadlock.
/// - `s.scratch_chunks()`: how many scratch pieces a round needs, 0 if absent.
/// - `s.part(rank, i, j)`: the j-th piece of a step that has several, 0 < j < parts, and `s.most_parts()`: the most
///   that a step has. Absent where every step has one.
template <class S>
concept Schedule = std::is_trivially_copyable_v<S> && requires(const S& s, int rank, int step) {
  { s(rank, step) } -> std::same_as<Step>;
  { s.steps() } -> std::same_as<int>;
  { s.chunks() } -> std::same_as<int>;
  { s.slots() } -> std::same_as<int>;
};

/// Any schedule, by value: what the executor, the simulator and the selector handle. One indirect call a step.
class AnySchedule {
 public:
  static constexpr std::size_t capacity = 64;

  AnySchedule() = default;

  template <Schedule S>
  AnySchedule(const S& schedule, const char* name)  // `name`: a literal, it is not copied
      : at_([](const void* s, int rank, int i) { return (*static_cast<const S*>(s))(rank, i); }),
        steps_of_([](const void* s, [[maybe_unused]] int rank) {
          if constexpr (requires(const S& t) { t.steps(rank); }) return static_cast<const S*>(s)->steps(rank);
          else return static_cast<const S*>(s)->steps();
        }),
        part_at_(part_of<S>()),
        name_(name),
        chunks_(schedule.chunks()),
        slots_(schedule.slots()) {
    static_assert(sizeof(S) <= capacity, "ringcoll: a schedule is a few numbers; keep tables outside of it");
    if constexpr (requires { schedule.scratch_chunks(); }) scratch_chunks_ = schedule.scratch_chunks();
    if constexpr (requires { schedule.most_parts(); }) most_parts_ = schedule.most_parts();
    std::memcpy(storage_, &schedule, sizeof(S));
  }

  Step operator()(int rank, int step) const { return at_(storage_, rank, step); }
  Step part(int rank, int step, int j) const { return part_at_(storage_, rank, step, j); }
  int steps(int rank) const { return steps_of_(storage_, rank); }
  int chunks() const { return chunks_; }
  int slots() const { return slots_; }
  int scratch_chunks() const { return scratch_chunks_; }
  int most_parts() const { return most_parts_; }
  const char* name() const { return name_; }

 private:
  using PartAt = Step (*)(const void*, int, int, int);

  template <class S>
  static constexpr PartAt part_of() {
    if constexpr (requires(const S& s) { s.part(0, 0, 1); })
      return [](const void* s, int rank, int i, int j) { return static_cast<const S*>(s)->part(rank, i, j); };
    else return nullptr;
  }

  Step (*at_)(const void*, int, int) = nullptr;
  int (*steps_of_)(const void*, int) = nullptr;
  PartAt part_at_ = nullptr;
  const char* name_ = "none";
  int chunks_ = 1, slots_ = 1, scratch_chunks_ = 0, most_parts_ = 1;
  alignas(8) std::byte storage_[capacity] = {};
};

}  // namespace ringcoll::inline v0
