// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ringcoll/detail/call_cache.hpp>
#include <ringcoll/detail/comparison.hpp>
#include <ringcoll/detail/operation.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/detail/thread.hpp>
#include <ringcoll/detail/time.hpp>
#include <ringcoll/log.hpp>
#include <ringcoll/placement.hpp>
#include <ringcoll/select.hpp>

namespace ringcoll::inline v0 {

/// What a communicator is told when it is made, beside its rank, size and transport.
struct Setup {
  std::uint64_t context = 0;                   ///< tells live communicators of a job apart; the same on all ranks
  std::shared_ptr<const Placement> placement;  ///< which ranks share memory; null: all of them
  bool crowded = false;                        ///< this host has more ranks than cores, so it is no use to spin
  std::chrono::nanoseconds deadline = std::chrono::seconds(300);  ///< of one operation, unless its call says otherwise
  std::shared_ptr<Selector> selector;                             ///< chooses schedules; null: by rule of thumb
};

namespace detail {

/// The channels of a pair of ranks.
enum Channel : int { collective_channel = 0, point_to_point_channel = 1, comparison_channel = 2, channel_count = 3 };

/// A rank's links on one channel, remembered by peer; the one to itself is a ring in its own memory.
class ChannelLinks final : public Links {
 public:
  ChannelLinks(AnyTransport& transport, int rank, int size, int channel)
      : transport_(&transport), rank_(rank), channel_(channel), links_(static_cast<std::size_t>(size), nullptr) {}

  Link& to(int peer) override { return from(peer); }
  Link& from(int peer) override {
    Link*& link = links_[static_cast<std::size_t>(peer)];
    if (!link) link = peer == rank_ ? &loopback() : &transport_->link(peer, channel_);
    return *link;
  }

 private:
  Link& loopback() {
    const std::size_t frame_bytes = transport_->frame_bytes(),
                      ring_bytes = 4 * (RingFrame::size(frame_bytes) + cache_line);
    own_data_.assign(ring_bytes + cache_line, std::byte{});
    const auto misaligned = reinterpret_cast<std::uintptr_t>(own_data_.data()) % cache_line;
    const RingMemory ring{&own_shared_, own_data_.data() + (cache_line - misaligned), ring_bytes};
    own_link_.connect(ring, ring, frame_bytes, Bell{&own_sleeping_, -1});
    return own_link_;
  }

  AnyTransport* transport_;
  int rank_, channel_;
  std::vector<Link*> links_;
  PeerState self_;
  RingShared own_shared_;
  std::atomic<std::uint32_t> own_sleeping_{0};
  std::vector<std::byte> own_data_;
  RingLink own_link_{self_};
};

/// One rank of one communicator: its links, its operations under way, and how it waits.
///
/// A blocking call runs in the caller's thread, with the mutex held. Only the first start_* makes a thread, which
/// advances what is under way while no caller does.
class Member {
 public:
  Member(int rank, int size, std::unique_ptr<AnyTransport> transport, const Setup& setup)
      : rank_(rank),
        size_(size),
        setup_(setup),
        placement_(setup.placement ? setup.placement : std::make_shared<Placement>(Placement::one_node(size))),
        transport_(std::move(transport)),
        collective_links_(*transport_, rank, size, collective_channel),
        point_to_point_links_(*transport_, rank, size, point_to_point_channel),
        comparison_(*transport_, rank, size, comparison_channel) {}

  ~Member() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      if (!queue_.empty())
        fail(Error(Errc::aborted,
                   "rank " + std::to_string(rank_) + " destroyed the communicator with operations under way", rank_));
    }
    idle_.notify_all();
    thread_.join();
    transport_->close(nullptr);
  }

  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const Setup& setup() const { return setup_; }
  const Placement& placement() const { return *placement_; }
  bool one_host() const { return placement_->nodes() == 1; }
  AnyTransport& transport() { return *transport_; }
  CallCache& calls() { return calls_; }

  /// From now on another one chooses; the same kind on all ranks.
  void choose_by(std::shared_ptr<Selector> selector) {
    setup_.selector = std::move(selector);
    calls_.forget();
  }

  /// As `wanted` says if it is not null, else as RINGCOLL_ALGO, else as the communicator's selector.
  Choice choose(const Question& question, const char* wanted) {
    const bool wished = Wishes::of_environment()[question.collective] != Family::automatic;
    const bool selected = !wanted && !wished && setup_.selector && question.size > 1;
    const Choice choice = wanted     ? ringcoll::choose(question, wanted)
                          : selected ? setup_.selector->choose(question)
                                     : ringcoll::choose(question);
    if (log_level() >= LogLevel::info)
      tell(question, choice,
           wanted     ? "the call says so"
           : wished   ? "RINGCOLL_ALGO says so"
           : selected ? setup_.selector->why(question)
                      : "by rule of thumb");
    return choice;
  }
  std::uint64_t next_split() { return ++splits_; }

  /// From any thread: what is under way, and every later call, throws Error(aborted) within some 10 ms.
  void abort() {
    aborted_.store(true, std::memory_order_relaxed);
    // Whoever holds the lock will see that, or else be done with it soon; if nobody does, the peers are told from here.
    for (const auto end = Clock::now() + std::chrono::milliseconds(20); Clock::now() < end; ::sched_yield()) {
      const std::unique_lock lock(mutex_, std::try_to_lock);
      if (!lock.owns_lock()) continue;
      fail_if_aborted();
      return;
    }
  }

  /// A transport among some of this one's ranks.
  std::unique_ptr<AnyTransport> subset(std::uint64_t context, std::span<const int> members, int rank) {
    const std::lock_guard lock(mutex_);  // others may be advancing what was started
    return transport_->subset(context, members, rank);
  }

  /// Runs the call to its end. `sequenced`: a collective, which gets the communicator's next number.
  void run(Call& call, std::chrono::nanoseconds deadline, int send_to = none, int receive_from = none) {
    std::unique_lock lock(mutex_);
    throw_if_failed();
    if (!queue_.empty()) {  // it must not overtake what was started before
      const auto operation = std::make_shared<Operation>();
      operation->call = call;
      enqueue(operation, deadline, send_to, receive_from);
      wait(lock, *operation);
      return;
    }
    call.scratch = scratch_.at_least(call.scratch_bytes());  // may throw, so before the call has a number
    const bool collective = number(call);
    std::optional<Clock::time_point> end;  // a call that is soon over never asks for the time
    try {
      Running running(call, collective ? collective_links_ : point_to_point_links_);
      if (!running.advance()) finish(running, deadline, end);
      if (!transport_->flushed()) flush(nullptr, end ? *end : due(deadline));
    } catch (const Error& error) {
      throw fail(in_context(error, call.signature));
    } catch (...) {
      fail(in_context(thrown_by_op(), call.signature));
      throw;
    }
  }

  /// Starts an operation whose call is filled in, but for the scratch.
  void start(const std::shared_ptr<Operation>& operation, std::chrono::nanoseconds deadline, int send_to = none,
             int receive_from = none) {
    std::lock_guard lock(mutex_);
    throw_if_failed();
    enqueue(operation, deadline, send_to, receive_from);
  }

  /// From now on operations advance although nobody waits for them.
  void start_thread() {
    std::lock_guard lock(mutex_);
    if (!thread_.started()) thread_.start([](void* self) { static_cast<Member*>(self)->serve(); }, this);
    idle_.notify_one();
  }

  void wait(Operation& operation) {
    if (operation.state.load(std::memory_order_acquire) == Operation::State::done) return;  // though the lock be taken
    std::unique_lock lock(mutex_);
    wait(lock, operation);
  }

  /// Advances what is under way once; true if the operation is complete. Throws if it has failed.
  bool test(Operation& operation) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) advance_queue();
    throw_if_failed(operation);
    return operation.state.load(std::memory_order_acquire) == Operation::State::done;
  }

 private:
  // Measured on 2 cores (docs/waiting.md): a spin of about 1 us catches a peer that runs, 32 or more yields give the
  // core to one that does not, and only then is a system call's wake-up worth its 20 us. Where each look is a system
  // call, and where a yield gave the core away for a whole time slice (to a program that is no rank of ours), sleep
  // follows at once: the kernel wakes a sleeper as soon as there is something, but lets one that has yielded wait its
  // turn.
  static constexpr unsigned spins = 300, crowded_spins = 20, network_spins = 60, yields = 64, network_yields = 0;
  static constexpr std::chrono::microseconds long_yield{500};
  static constexpr std::chrono::milliseconds long_stuck{200};

  /// One turn of waiting: spin, yield, then sleep until something happens. `lock` is given up meanwhile if not null.
  class Patience {
   public:
    Patience(Member& member, std::unique_lock<std::mutex>* lock)
        : member_(member),
          lock_(lock),
          spins_(!member.one_host()      ? network_spins
                 : member.setup_.crowded ? crowded_spins
                                         : spins),
          yields_(member.one_host() ? yields : network_yields) {}

    /// True now and then: time to look at the clock, although something moves.
    bool progressed() {
      turn_ = 0;
      stuck_since_ = {};
      return ++progress_ % 64 == 0;
    }

    /// `ready` looks once more whether the wait is over, after the transport was told that this rank sleeps.
    template <class Ready>
    void turn(Ready&& ready) {
      if (++turn_ < spins_) return;
      if (turn_ % 64 == 0) member_.transport_->progress();
      member_.throw_if_aborted();
      if (turn_ < spins_ + yields_) return yield();
      member_.transport_->progress();
      compare();
      member_.transport_->arm();
      if (!ready()) sleep();
      member_.transport_->disarm();
      member_.transport_->progress();
      turn_ = spins_;
    }

   private:
    void yield() {
      const Clock::time_point before = Clock::now();
      if (lock_) lock_->unlock();
      ::sched_yield();
      if (lock_) lock_->lock();
      if (Clock::now() - before > long_yield) turn_ = spins_ + yields_;
    }

    void compare() {
      const Clock::time_point now = Clock::now();
      if (stuck_since_ == Clock::time_point{}) stuck_since_ = now;
      if (now - stuck_since_ >= long_stuck) member_.comparison_.compare();
    }

    void sleep() {
      if (lock_) lock_->unlock();
      if (pollfd wake{.fd = member_.transport_->wait_fd(), .events = POLLIN, .revents = 0}; wake.fd >= 0) {
        ::poll(&wake, 1, 10);
      } else {
        const timespec nap{.tv_sec = 0, .tv_nsec = 50'000};
        ::nanosleep(&nap, nullptr);
      }
      if (lock_) lock_->lock();
    }

    Member& member_;
    std::unique_lock<std::mutex>* lock_;
    unsigned turn_ = 0, progress_ = 0, spins_, yields_;
    Clock::time_point stuck_since_{};  // or not at all
  };

  /// Says which schedule was chosen, when it is the first time.
  void tell(const Question& q, const Choice& choice, const std::string& why) {
    std::uint64_t& told = told_[static_cast<std::size_t>(q.collective)];
    const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(choice.family) % 64;
    if (told & bit) return;
    told |= bit;
    log(LogLevel::info, rank_,
        std::string(name(q.collective)) + " of " + std::to_string(q.bytes) + " bytes among " + std::to_string(q.size) +
            " ranks on " + std::to_string(q.nodes()) + (q.nodes() == 1 ? " node: " : " nodes: ") +
            choice.schedule.name() + ", messages of up to " + std::to_string(choice.frame_bytes) + " bytes, " +
            std::to_string(choice.window) + " rounds together (" + why + ")");
  }

  Clock::time_point due(std::chrono::nanoseconds deadline) const {
    const Clock::time_point now = Clock::now();
    const std::chrono::nanoseconds wish = deadline.count() > 0 ? deadline : setup_.deadline;
    return wish < Clock::time_point::max() - now ? now + wish : Clock::time_point::max();
  }

  /// Gives a collective its number; false for point to point.
  bool number(Call& call) {
    if (call.signature.collective == Collective::point_to_point) return false;
    if (++sequence_ == 0) ++sequence_;  // 0 is no number
    call.signature.sequence = sequence_;
    comparison_.remember(call.signature);
    return true;
  }

  void finish(Running& running, std::chrono::nanoseconds deadline, std::optional<Clock::time_point>& end) {
    Patience patience(*this, nullptr);
    std::uint64_t moves = running.moves();
    bool done = false;
    const auto ready = [&] { return done = running.advance(), done || running.moves() != moves; };
    const auto look_at_clock = [&] {
      if (!end) end = due(deadline);
      if (Clock::now() >= *end) throw timed_out(running.where(), running);
    };
    for (;;) {
      if (ready()) {
        if (done) return;
        moves = running.moves();
        throw_if_aborted();
        if (patience.progressed()) look_at_clock();
        continue;
      }
      patience.turn([&] {
        look_at_clock();
        running.look_ahead();
        return ready();
      });
      if (done) return;
    }
  }

  /// A call is over only when the peers need nothing more from this rank, who may now compute for long.
  void flush(std::unique_lock<std::mutex>* lock, Clock::time_point end) {
    Patience patience(*this, lock);
    const auto flushed = [&] {
      transport_->progress();
      return transport_->flushed();
    };
    while (!flushed())
      patience.turn([&] {
        if (Clock::now() >= end)
          throw Error(Errc::timeout, "the deadline has passed while a peer does not take what this rank has sent it");
        return flushed();
      });
  }

  void enqueue(const std::shared_ptr<Operation>& operation, std::chrono::nanoseconds deadline, int send_to,
               int receive_from) {
    Operation& o = *operation;
    o.call.scratch = o.scratch.at_least(o.call.scratch_bytes());  // may throw, so before the call has a number
    const bool collective = number(o.call);
    o.deadline = due(deadline);
    o.running = Running(o.call, collective ? collective_links_ : point_to_point_links_);
    if (send_to != none) queue_.push_send(send_to, operation);
    else if (receive_from != none) queue_.push_receive(receive_from, operation);
    else queue_.push_collective(operation);
    advance_queue();
  }

  /// True if anything moved. What fails fails the communicator; the waiting calls throw it.
  bool advance_queue() {
    std::shared_ptr<Operation> failing;
    try {
      if (queue_.empty()) return false;
      throw_if_aborted();
      return queue_.advance(failing);
    } catch (const Error& error) {
      fail(failing ? in_context(error, failing->call.signature) : error);
    } catch (...) {
      fail(in_context(thrown_by_op(), failing->call.signature));
    }
    return true;
  }

  void wait(std::unique_lock<std::mutex>& lock, Operation& operation) {
    ++waiting_;
    keep_advancing(lock, [&] { return operation.state.load(std::memory_order_acquire) != Operation::State::running; });
    if (--waiting_ == 0) idle_.notify_all();
    throw_if_failed(operation);
    if (transport_->flushed()) return;
    try {
      flush(&lock, operation.deadline);
    } catch (const Error& error) {
      throw fail(in_context(error, operation.call.signature));
    }
  }

  /// Advances everything under way until `over`. Throws nothing: failures are in the operations.
  template <class Over>
  void keep_advancing(std::unique_lock<std::mutex>& lock, Over&& over) {
    Patience patience(*this, &lock);
    while (!over()) {
      try {
        if (advance_queue()) {
          if (patience.progressed()) throw_if_overdue();
          continue;
        }
        patience.turn([&] {
          throw_if_overdue();
          queue_.look_ahead();
          return advance_queue();
        });
      } catch (const Error& error) {
        fail(error);
      }
    }
  }

  void throw_if_overdue() const {
    const auto [late, front] = queue_.overdue(Clock::now());
    if (!late) return;
    std::string at = front->running.where();
    if (late != front) at = "the start, behind " + front->call.signature.describe() + ", which is at " + at;
    throw in_context(timed_out(at, front->running), late->call.signature);
  }

  void serve() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const auto rest = [&] {
        return stopping_ || waiting_ > 0 || (queue_.empty() && (failed_ || transport_->flushed()));
      };
      if (rest()) idle_.wait(lock);
      else keep_advancing(lock, rest);
    }
  }

  void throw_if_aborted() const {
    if (aborted_.load(std::memory_order_relaxed))
      throw Error(Errc::aborted, "rank " + std::to_string(rank_) + " called abort()", rank_);
  }
  void fail_if_aborted() {
    try {
      throw_if_aborted();
    } catch (const Error& error) {
      if (!failed_) fail(error);
    }
  }
  void throw_if_failed() {
    fail_if_aborted();
    if (failed_) throw *failed_;
  }
  static void throw_if_failed(const Operation& operation) {
    if (operation.state.load(std::memory_order_acquire) == Operation::State::failed) throw *operation.error;
  }

  static Error timed_out(const std::string& at, const Running& running) {
    return {Errc::timeout, "the deadline has passed at " + at, running.waits_for()};
  }

  /// For the peers, and for who waits for the call, about the exception that is being handled.
  Error thrown_by_op() const {
    std::string what = "rank " + std::to_string(rank_) + "'s op threw an exception";
    try {
      throw;
    } catch (const std::exception& exception) {
      what += std::string(": ") + exception.what();
    } catch (...) {  // NOLINT(bugprone-empty-catch): no more to say
    }
    return {Errc::aborted, what, rank_};
  }

  /// Says in which call it happened, unless a peer has already said so of its own.
  Error in_context(const Error& error, const Signature& signature) const {
    const std::string text = error.what();
    if (text.find(" [in ") != std::string::npos) return error;
    constexpr std::size_t prefix = sizeof("ringcoll: ") - 1;
    return {error.code(),
            text.substr(prefix) + " [in " + signature.describe() + ", rank " + std::to_string(rank_) + " of " +
                std::to_string(size_) + "]",
            error.rank()};
  }

  /// The communicator has failed, for good; peers that wait for this rank are told why.
  Error fail(const Error& error) {
    if (!failed_) failed_ = error;
    queue_.fail_all(*failed_);
    transport_->close(&*failed_);
    return *failed_;
  }

  int rank_, size_;
  Setup setup_;
  std::shared_ptr<const Placement> placement_;
  std::unique_ptr<AnyTransport> transport_;
  ChannelLinks collective_links_, point_to_point_links_;
  Comparison comparison_;
  CallCache calls_;
  std::uint64_t told_[16] = {};  // by collective: a bit for each family
  AlignedBytes scratch_;
  std::uint32_t sequence_ = 0;
  std::uint64_t splits_ = 0;

  std::mutex mutex_;
  OperationQueue queue_;
  std::optional<Error> failed_;
  std::atomic<bool> aborted_{false};
  Thread thread_;
  Condition idle_;
  int waiting_ = 0;
  bool stopping_ = false;
};

}  // namespace detail
}  // namespace ringcoll::inline v0
