// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <ringcoll/detail/bounds.hpp>
#include <ringcoll/error.hpp>
#include <ringcoll/fold.hpp>
#include <ringcoll/schedule.hpp>
#include <ringcoll/signature.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::detail {

/// Where the chunks of a buffer lie, in elements.
struct Layout {
  std::byte* base = nullptr;
  std::size_t count = 0;                 ///< elements in all chunks together
  std::size_t per_chunk = 0;             ///< elements of a chunk; the last ones may be shorter or empty
  const std::size_t* offsets = nullptr;  ///< the v variants: chunk c is [offsets[c], offsets[c+1])
  int only = none;                       ///< the buffer holds just this chunk

  struct Range {
    std::size_t first = 0, count = 0;
  };
  Range chunk(int c) const {
    const auto at = static_cast<std::size_t>(c);
    const std::size_t first = offsets ? offsets[at] : least(at * per_chunk, count);
    const std::size_t last = offsets ? offsets[at + 1] : least(first + per_chunk, count);
    return {only == none ? first : 0, last - first};
  }
};

/// All that the executor must know of one collective call on one rank. Buffers and op belong to the caller.
struct Call {
  AnySchedule schedule;
  Signature signature;
  int rank = 0, size = 1;
  Layout in = {}, out = {};
  Kernel kernel = nullptr;
  const void* op = nullptr;
  bool reduces = false;  ///< pieces of the input are raw contributions to a sum
  std::size_t element_bytes = 1;
  std::size_t frame_elements = 1;  ///< elements of a piece in a message, the same on all ranks
  std::size_t rounds = 1;          ///< how often the schedule runs on this rank, frame_elements of each chunk a time
  std::size_t window = 1;          ///< rounds that go through the steps together; the same on all ranks
  std::byte* scratch = nullptr;    ///< scratch_bytes() of memory, aligned to 64

  std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(schedule.scratch_chunks()) * window * frame_elements * element_bytes;
  }

  /// Cuts the data into the schedule's chunks, unless that was done, and into rounds.
  ///
  /// Even parts, cut at cache lines once a part is longer than a page.
  void cut() {
    if (in.per_chunk == 0 && in.offsets == nullptr) {
      const auto chunks = static_cast<std::size_t>(schedule.chunks());
      std::size_t part = (in.count + chunks - 1) / chunks;
      const std::size_t line = 64 / element_bytes;
      if (part * element_bytes >= 4096 && line > 1) part = (part + line - 1) / line * line;
      in.per_chunk = out.per_chunk = part;
    }
    rounds = most<std::size_t>(1, (longest_chunk() + frame_elements - 1) / frame_elements);
    window = least(window, rounds);
  }

  /// Elements.
  std::size_t longest_chunk() const {
    std::size_t longest = 0;
    for (const Layout* layout : {&in, &out}) {
      if (!layout->offsets) longest = most(longest, least(layout->per_chunk, layout->count));
      else
        for (int c = 0; c < schedule.chunks(); ++c) longest = most(longest, layout->chunk(c).count);
    }
    return longest;
  }
};

/// The links of one rank on one channel. Looked up at every step, so it should cost an index.
class Links {
 public:
  virtual Link& to(int peer) = 0;
  virtual Link& from(int peer) = 0;

 protected:
  ~Links() = default;
};

/// One call under way: its position in the schedule, and nothing else. `advance` does what can be done and never waits.
///
/// Long data runs through the schedule in rounds of one message per chunk. `window` rounds take each step together, one
/// after the other: while one message is summed here, the next is on its way. For the schedule it is as if a chunk were
/// `window` messages long, so the order on every link stays the schedule's, and it needs `window` times its slots.
class Running {
 public:
  Running() = default;
  Running(const Call& call, Links& links) : call_(&call), links_(&links) {
    steps_ = call.schedule.steps(call.rank);
    words_ = call.signature.pack();
    if (steps_ == 0) block_ = call.rounds;
    else load_step();
  }

  /// True when the call is complete on this rank. Throws what a link throws, and Error(mismatch).
  ///
  /// Comes back now and then although it could go on: its caller looks at the clock, and at other calls.
  bool advance() {
    stuck_ = Stuck::no;
    for (std::size_t work = 0; block_ < call_->rounds; next())
      if (work >= work_at_once || !take_step(work)) return false;
    return true;
  }

  /// Takes one step of one round, if it can be taken now. For those who do something between the steps, such as
  /// counting virtual time.
  bool advance_one() {
    stuck_ = Stuck::no;
    std::size_t work = 0;
    if (done() || !take_step(work)) return false;
    next();
    return true;
  }
  bool done() const { return block_ >= call_->rounds; }

  /// Where it stands: the step to be taken next, and its round.
  int step() const { return i_; }
  std::size_t round() const { return block_ + in_block_; }

  /// Asks for the links of all steps to come. A link comes about when both its ends ask for it, so a rank that is stuck
  /// must do so, or it could wait for a rank that waits for a link to this one.
  void look_ahead() {
    for (int i = looked_ahead_ ? steps_ : i_; i < steps_; ++i) {
      const Step step = call_->schedule(call_->rank, i);
      if (step.from != none) links_->from(step.from);
      if (step.to != none) links_->to(step.to);
    }
    looked_ahead_ = true;
  }

  /// Steps taken so far.
  std::uint64_t moves() const { return moves_; }

  /// For error messages: "step 2 of 5, round 1 of 16: nothing has arrived from rank 3".
  std::string where() const {
    std::string text = "step " + std::to_string(i_ + 1) + " of " + std::to_string(steps_) + ", round " +
                       std::to_string(round() + 1) + " of " + std::to_string(call_->rounds);
    if (stuck_ == Stuck::receiving) text += ": nothing has arrived from rank " + std::to_string(step_.from);
    if (stuck_ == Stuck::sending) text += ": rank " + std::to_string(step_.to) + " takes no more";
    return text;
  }

  /// The peer without which the call cannot go on, or none.
  int waits_for() const { return stuck_ == Stuck::receiving ? step_.from : stuck_ == Stuck::sending ? step_.to : none; }

  const Call& call() const { return *call_; }

 private:
  enum class Stuck : std::uint8_t { no, receiving, sending };
  // Bytes moved before the caller looks at the clock and at abort(), and what a step without any counts as: well below
  // a millisecond for ringcoll's own ops, some for a user's slow one.
  static constexpr std::size_t work_at_once = 256 << 10, step_work = 4 << 10;

  void load_step() {
    step_ = call_->schedule(call_->rank, i_);
    from_ = step_.from == none ? nullptr : &links_->from(step_.from);
    to_ = step_.to == none ? nullptr : &links_->to(step_.to);
    message_count_ = piece_count(step_);
    for (int j = 1; j < step_.parts; ++j) message_count_ += piece_count(part(j));
  }

  Step part(int j) const { return call_->schedule.part(call_->rank, i_, j); }

  /// Elements, over all rounds, of the piece that a step moves; scratch is cut like the input.
  std::size_t piece_count(const Step& step) const {
    const Piece piece = step.dst && step.dst.buffer != Piece::Buffer::scratch ? step.dst
                        : step.src                                            ? step.src
                                                                              : step.dst;
    return !piece                                  ? 0
           : piece.buffer == Piece::Buffer::output ? call_->out.chunk(piece.chunk).count
                                                   : call_->in.chunk(piece.chunk).count;
  }

  /// This round's share of so many.
  std::size_t in_round(std::size_t piece_count) const {
    const std::size_t first = round() * call_->frame_elements;
    return first < piece_count ? least(call_->frame_elements, piece_count - first) : 0;
  }

  /// Rounds of a block take a step one after the other, then the block takes the next step.
  void next() {
    ++moves_;
    ++in_block_;
    if (in_block_ < call_->window && block_ + in_block_ < call_->rounds) return;
    in_block_ = 0;
    if (++i_ == steps_) {
      i_ = 0;
      block_ += call_->window;
      if (block_ >= call_->rounds) return;  // complete
    }
    load_step();
  }

  bool take_step(std::size_t& work) {
    work += step_work;
    std::size_t count = in_round(step_.parts == 1 ? message_count_ : piece_count(step_));
    for (int j = 1; j < step_.parts; ++j) count += in_round(piece_count(part(j)));
    if (count == 0 && round() > 0) return true;  // both ends know the length: no empty messages after the first round
    const std::size_t bytes = count * call_->element_bytes;

    Slot received, slot;
    if (from_) {
      received = from_->peek();
      if (!received) return stop(Stuck::receiving);
      check(received, bytes);
    }
    if (to_) {
      slot = to_->reserve(bytes);
      if (!slot) return stop(Stuck::sending);
      *slot.header = {{words_[0], words_[1]}, position()};
    }
    if (step_.parts > 1) fold_parts(received.payload, slot.payload);
    else if (count != 0) fold(step_, count, received.payload, slot.payload);
    if (to_) to_->publish();
    if (from_) from_->release();
    work += bytes;
    return true;
  }

  /// Pieces lie one behind the other in a message.
  void fold_parts(const std::byte* received, std::byte* send) const {
    for (int j = 0; j < step_.parts; ++j) {
      const Step piece = j == 0 ? step_ : part(j);
      const std::size_t count = in_round(piece_count(piece));
      if (count == 0) continue;
      fold(piece, count, received, send);
      if (received) received += count * call_->element_bytes;
      if (send) send += count * call_->element_bytes;
    }
  }

  void fold(const Step& step, std::size_t count, const std::byte* received, std::byte* send) const {
    const std::size_t first = round() * call_->frame_elements;
    const bool raw = call_->reduces && step.src.buffer == Piece::Buffer::input;
    const void* const own = step.src ? at(step.src, first) : nullptr;
    Fold work{.left = own,
              .right = nullptr,
              .keep = step.dst ? at(step.dst, first) : nullptr,
              .send = send,
              .count = count,
              .prepare_left = raw,
              .prepare_right = false,
              .finish = step.complete && call_->reduces,
              .size = call_->size};
    if (received && !own) {
      work.left = received;
    } else if (received && step.order == Order::received_first) {
      work.left = received;
      work.right = own;
      work.prepare_left = false;
      work.prepare_right = raw;
    } else if (received) {
      work.right = received;
    } else if (step.with) {
      work.right = at(step.with, first);
      work.prepare_right = call_->reduces && step.with.buffer == Piece::Buffer::input;
    }
    call_->kernel(call_->op, work);
  }

  std::byte* at(Piece piece, std::size_t first) const {
    if (piece.buffer == Piece::Buffer::scratch) {
      const int chunks = call_->schedule.scratch_chunks();
      const std::size_t slot =
          in_block_ * static_cast<std::size_t>(chunks) + static_cast<std::size_t>(piece.place % chunks);
      return call_->scratch + slot * call_->frame_elements * call_->element_bytes;
    }
    const Layout& layout = piece.buffer == Piece::Buffer::input ? call_->in : call_->out;
    return layout.base + (layout.chunk(piece.chunk).first + first) * call_->element_bytes;
  }

  std::uint64_t position() const {
    return static_cast<std::uint64_t>(round()) << Signature::count_bits | message_count_;
  }

  void check(const Slot& received, std::size_t bytes) const {
    const Header header = *received.header;
    if (header.signature[0] == words_[0] && header.signature[1] == words_[1] && header.position == position() &&
        received.bytes == bytes)
      return;
    throw_mismatch(header, received.bytes, bytes);
  }

  [[noreturn]] void throw_mismatch(const Header& header, std::size_t got_bytes, std::size_t bytes) const {
    if (header.signature[0] != words_[0] || header.signature[1] != words_[1])
      throw Error(Errc::mismatch,
                  difference(step_.from, Signature::unpack(header.signature), call_->rank, call_->signature),
                  step_.from);
    const std::string peer = "rank " + std::to_string(step_.from), self = "rank " + std::to_string(call_->rank);
    const std::string ours = call_->signature.describe();
    const std::uint64_t theirs_count = header.position & ((std::uint64_t{1} << Signature::count_bits) - 1);
    std::string what = "calls do not match: ";
    if (theirs_count != message_count_) {
      what += "in " + ours + " " + peer + " sends " + std::to_string(theirs_count) + " elements where " + self +
              " expects " + std::to_string(message_count_) + "; the counts on both ranks must agree";
    } else {
      what += "in " + ours + " " + peer + " sent " + std::to_string(got_bytes) + " bytes of round " +
              std::to_string(header.position >> Signature::count_bits) + " where " + self + " expects " +
              std::to_string(bytes) + " of round " + std::to_string(round()) + "; are the element sizes the same?";
    }
    throw Error(Errc::mismatch, what, step_.from);
  }

  bool stop(Stuck how) {
    stuck_ = how;
    return false;
  }

  const Call* call_ = nullptr;
  Links* links_ = nullptr;
  std::array<std::uint64_t, 2> words_{};
  Step step_;
  Link *from_ = nullptr, *to_ = nullptr;
  std::size_t message_count_ = 0;  // elements of this step, over all rounds
  int steps_ = 0, i_ = 0;
  std::size_t block_ = 0, in_block_ = 0;  // rounds before this block; round within it
  std::uint64_t moves_ = 0;
  Stuck stuck_ = Stuck::no;
  bool looked_ahead_ = false;
};

}  // namespace ringcoll::inline v0::detail
