// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <ringcoll/execute.hpp>
#include <ringcoll/sim/network.hpp>

namespace ringcoll::inline v0::detail {

/// Addresses that stand for memory: nothing is ever read there. The kernel tells by them what a step touches.
struct PaperMemory {
  static constexpr std::uintptr_t in = std::uintptr_t{1} << 44, out = std::uintptr_t{2} << 44,
                                  scratch = std::uintptr_t{3} << 44, received = std::uintptr_t{4} << 44,
                                  sent = std::uintptr_t{5} << 44;

  static std::byte* at(std::uintptr_t address) { return reinterpret_cast<std::byte*>(address); }
  static bool is_message(const void* data) { return reinterpret_cast<std::uintptr_t>(data) >= received; }
};

/// What a step touches, as the kernel that only counts has found.
struct Touched {
  double own = 0, slot = 0, combined = 0;  ///< bytes, each as often as it counts for MemoryCost

  static void count(const void* touched, const Fold& fold) {
    auto& sum = *static_cast<Touched*>(const_cast<void*>(touched));
    const auto bytes = static_cast<double>(fold.count) * sum.element_bytes;
    const bool in_place = fold.keep == fold.left || fold.keep == fold.right;
    if (!fold.right && in_place && !fold.send) return;  // a copy to itself
    for (const void* operand : {fold.left, fold.right})
      if (operand) (PaperMemory::is_message(operand) ? sum.slot : sum.own) += bytes;
    if (fold.keep) sum.own += in_place ? bytes : 2 * bytes;
    if (fold.send) sum.slot += bytes;
    if (fold.right) sum.combined += bytes;
  }

  double element_bytes = 1;
};

/// One rank in virtual time: the executor, over links that only count.
class VirtualRank final : public Links {
 public:
  using Pipe = VirtualNetwork::Pipe;

  /// A step that was taken, but for its time.
  struct Step {
    double ready = 0;            ///< when all that it needs is there
    std::ptrdiff_t needed = -1;  ///< the step of another rank that it had to wait for, in the trace
    Pipe *received = nullptr, *sent = nullptr;
    std::size_t received_bytes = 0, sent_bytes = 0;
    int step = 0;
    std::size_t round = 0;
  };

  VirtualRank(VirtualNetwork& network, const Call& call, double factor, double late, int calls)
      : clock(late), network_(&network), call_(call), factor_(factor), calls_(calls), in_(*this), out_(*this) {
    touched_.element_bytes = static_cast<double>(call.element_bytes);
    call_.kernel = Touched::count;
    call_.op = &touched_;
    running_ = Running(call_, *this);
  }
  VirtualRank(const VirtualRank&) = delete;
  VirtualRank& operator=(const VirtualRank&) = delete;

  Link& to(int peer) override { return out_.over(network_->pipe(call_.rank, peer)); }
  Link& from(int peer) override { return in_.over(network_->pipe(peer, call_.rank)); }

  /// Takes the next step if what it needs is under way. Else whoever brings it makes this rank runnable again.
  bool take() {
    taken = {.ready = clock, .step = running_.step(), .round = running_.round()};
    touched_ = {.element_bytes = touched_.element_bytes};
    if (running_.advance_one()) return true;
    taken = {};
    return false;
  }

  /// True once all calls are over. Starts the next one when there is one.
  bool done() {
    if (!running_.done()) return false;
    if (calls_ <= 1) return true;
    --calls_;
    moves_before_ += running_.moves();
    running_ = Running(call_, *this);
    starts_call = true;
    return false;
  }

  /// CPU time of the step that was taken.
  double cost(const sim::Model& model, const sim::MemoryCost& memory) const {
    double time = touched_.own * memory.own + touched_.slot * memory.slot + touched_.combined * model.combine;
    for (const auto& [pipe, bytes] : {std::pair{taken.received, taken.received_bytes}, {taken.sent, taken.sent_bytes}})
      if (pipe) time += pipe->cost->message + static_cast<double>(bytes) * pipe->cost->message_byte;
    const bool idle = !taken.received && !taken.sent && touched_.own == 0;
    return idle ? 0 : (time + model.step) * factor_;
  }
  double call_cost(const sim::Model& model) const { return model.call * factor_; }

  const Call& call() const { return call_; }
  const Running& running() const { return running_; }
  std::uint64_t moves() const { return moves_before_ + running_.moves(); }

  Step taken;
  double clock = 0;  ///< until when it has worked
  double busy = 0;   ///< how long, in all
  bool starts_call = true;
  std::ptrdiff_t latest = -1;  ///< its latest step in the trace

 private:
  class End final : public Link {
   public:
    explicit End(VirtualRank& rank) : rank_(&rank) {}
    End& over(Pipe& pipe) {
      pipe_ = &pipe;
      return *this;
    }

    Slot reserve(std::size_t bytes) override {
      const VirtualNetwork::Credit credit = rank_->network_->has_room(*pipe_, bytes);
      if (credit.time < 0) {
        pipe_->sender_waits = true;
        return {};
      }
      wait_for(credit.time, credit.author);
      rank_->taken.sent = pipe_;
      rank_->taken.sent_bytes = bytes;
      return {&pipe_->next, PaperMemory::at(PaperMemory::sent), bytes};
    }
    void publish() override {}
    Slot peek() override {
      if (pipe_->messages.empty()) {
        pipe_->receiver_waits = true;
        return {};
      }
      VirtualNetwork::Message& message = pipe_->messages[pipe_->taken];
      wait_for(message.arrival, message.author);
      rank_->taken.received = pipe_;
      rank_->taken.received_bytes = message.bytes;
      return {&message.header, PaperMemory::at(PaperMemory::received), message.bytes};
    }
    void release() override { rank_->network_->take(*pipe_); }

   private:
    void wait_for(double time, std::ptrdiff_t author) {
      if (time <= rank_->taken.ready) return;
      rank_->taken.ready = time;
      rank_->taken.needed = author;
    }

    VirtualRank* rank_;
    Pipe* pipe_ = nullptr;
  };

  VirtualNetwork* network_;
  Call call_;
  double factor_;
  int calls_;
  Touched touched_;
  End in_, out_;
  Running running_;
  std::uint64_t moves_before_ = 0;
};

}  // namespace ringcoll::inline v0::detail
