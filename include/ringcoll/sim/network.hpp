// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ringcoll/placement.hpp>
#include <ringcoll/schedule.hpp>
#include <ringcoll/sim/model.hpp>
#include <ringcoll/transport.hpp>

namespace ringcoll::inline v0::detail {

/// A NIC or a switch's port in virtual time: bytes pass one after the other. After a pause, `burst` of them do at once.
struct VirtualPort {
  double byte = 0, burst = 0;
  double until = 0;  ///< when it is done with all that it was given, not counting what a burst let through early
  double busy = 0;   ///< in all

  /// When the last of `bytes` that come at `time` has passed. Calls come in the order of time.
  double pass(double time, double bytes) {
    until = std::max(until, time - burst * byte) + bytes * byte;
    busy += bytes * byte;
    return std::max(time, until);
  }
};

/// What waits for its turn on something that ranks share: a message at a port, or a rank at its core.
struct VirtualEvent {
  double time = 0;
  bool yields = false;      ///< lets others of the same time go first
  std::uint64_t order = 0;  ///< of those that are equal in time
  bool is_core = false;
  int id = 0;

  /// For a heap, whose top is the first to happen.
  friend bool operator<(const VirtualEvent& a, const VirtualEvent& b) {
    if (a.time != b.time) return a.time > b.time;
    if (a.yields != b.yields) return a.yields;
    return a.order > b.order;
  }
};

/// All links of the simulated ranks, with the times at which messages arrive and credit returns.
///
/// A link of one sender and one receiver needs no clock of its own: each message carries the time of its arrival, each
/// bit of credit that of its return, and it does not matter which rank is run first. Only where ranks share something
/// (NICs, switches, cores) must things be done in the order of their time; those go through the queue of events.
class VirtualNetwork {
 public:
  struct Message {
    Header header;
    double arrival;
    std::size_t bytes;
    std::ptrdiff_t author;  ///< the step that sent it, in the trace
  };
  struct Credit {
    double time;
    std::size_t room;
    std::ptrdiff_t author;  ///< the step that gave it back
  };
  struct Pipe {
    int from, to;
    const sim::LinkCost* cost;
    bool crosses;                              ///< from node to node
    std::array<int, 4> ports{-1, -1, -1, -1};  ///< on its way, in order
    std::vector<Message> messages = {};        ///< those before `taken` are gone
    std::size_t taken = 0;
    std::vector<Credit> credits = {};  ///< given back by the receiver; the sender has seen those before `seen`
    std::size_t seen = 0;
    std::size_t held = 0;  ///< bytes of credit in use, as the sender knows
    double free_at = 0;    ///< when the link has carried all that was sent
    bool receiver_waits = false, sender_waits = false;
    Header next = {};  ///< of the message being made
  };

  VirtualNetwork(const Placement& placement, const sim::Model& model, std::size_t capacity)
      : placement_(placement), model_(model), capacity_(capacity), size_(placement.size()) {
    if (size_ <= few) table_.assign(static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_), -1);
    if (placement.nodes() == 1 || model.nic_byte <= 0) return;
    const auto nics = static_cast<std::size_t>(std::max(1, model.nics));
    const VirtualPort nic{.byte = model.nic_byte, .burst = model.nic_burst};
    ports_.assign(2 * nics * static_cast<std::size_t>(placement.nodes()), nic);
    if (model.nodes_per_switch <= 0 || model.nodes_per_switch >= placement.nodes()) return;
    first_uplink_ = static_cast<int>(ports_.size());
    const int switches = (placement.nodes() + model.nodes_per_switch - 1) / model.nodes_per_switch;
    const double uplink_byte =
        model.nic_byte * model.oversubscription / (model.nodes_per_switch * static_cast<double>(nics));
    ports_.resize(ports_.size() + 2 * static_cast<std::size_t>(switches), VirtualPort{.byte = uplink_byte});
  }

  Pipe& pipe(int from, int to) {
    int& index = index_of(from, to);
    if (index < 0) index = make_pipe(from, to);
    return pipes_[static_cast<std::size_t>(index)];
  }

  /// Room that a message takes of a link's credit: headers and whole cache lines.
  static constexpr std::size_t room(std::size_t bytes) { return 64 + (bytes + 63) / 64 * 64; }

  /// When credit for so many bytes is there, and who gave the last of it; a negative time: not yet.
  Credit has_room(Pipe& pipe, std::size_t bytes) const {
    Credit last{0, 0, -1};
    while (pipe.held + room(bytes) > capacity_ && pipe.held > 0) {
      if (pipe.seen == pipe.credits.size()) return {-1, 0, -1};
      last = pipe.credits[pipe.seen++];
      pipe.held -= last.room;
    }
    if (pipe.seen == pipe.credits.size()) pipe.credits.clear(), pipe.seen = 0;
    return last;
  }

  /// Sends what lies in `pipe.next`; the sender is done with it at `time`.
  void send(Pipe& pipe, double time, std::size_t bytes, std::ptrdiff_t author) {
    count(pipe, bytes);
    pipe.held += room(bytes);
    const double start = std::max(time, pipe.free_at);
    const auto size = static_cast<double>(bytes);
    pipe.free_at = start + size * pipe.cost->byte;
    const Message message{pipe.next, pipe.free_at + pipe.cost->latency, bytes, author};
    if (pipe.ports[0] < 0) return deliver(pipe, message);
    const int id = keep({&pipe, message, start});
    schedule({.time = start, .id = id});
  }

  /// Takes the oldest message off; its room is given back at `time`.
  void take(Pipe& pipe) {
    if (++pipe.taken == pipe.messages.size()) pipe.messages.clear(), pipe.taken = 0;
  }
  void give_back(Pipe& pipe, double time, std::size_t bytes, std::ptrdiff_t author) {
    pipe.credits.push_back({time + pipe.cost->latency, room(bytes), author});
    if (std::exchange(pipe.sender_waits, false)) runnable_.push_back(pipe.from);
  }

  void schedule(VirtualEvent event) {
    event.order = ++orders_;
    events_.push_back(event);
    std::push_heap(events_.begin(), events_.end());
  }

  /// The next rank that may be able to go on, or none.
  int next_runnable() {
    if (runnable_.empty()) return none;
    const int rank = runnable_.front();
    runnable_.pop_front();
    return rank;
  }
  void make_runnable(int rank) { runnable_.push_back(rank); }

  /// Handles the next event: moves a message on. A rank whose turn at its core has come is returned, with the time.
  /// Nothing that is still to be run can happen before it, as all ranks wait for what events bring.
  std::pair<int, double> next_event() {
    std::pop_heap(events_.begin(), events_.end());
    const VirtualEvent event = events_.back();
    events_.pop_back();
    if (event.is_core) return {event.id, event.time};
    pass_port(event.id, event.time);
    return {none, 0};
  }
  bool has_events() const { return !events_.empty(); }

  std::uint64_t messages() const { return messages_; }
  std::uint64_t intra_bytes() const { return intra_bytes_; }
  std::uint64_t inter_bytes() const { return inter_bytes_; }
  /// Of the busiest NIC or switch port.
  double busiest_port() const {
    double most = 0;
    for (const VirtualPort& port : ports_) most = std::max(most, port.busy);
    return most;
  }

 private:
  static constexpr int few = 128;  // up to so many ranks, pipes are found through a table

  struct OnItsWay {
    Pipe* pipe;
    Message message;
    double tail;         // when its last byte has come as far as this
    double slowest = 0;  // time of a byte through the slowest port so far
    std::size_t port = 0;
  };

  int& index_of(int from, int to) {
    const auto row = static_cast<std::size_t>(from), column = static_cast<std::size_t>(to);
    if (!table_.empty()) return table_[row * static_cast<std::size_t>(size_) + column];
    return map_.try_emplace(static_cast<std::uint64_t>(row) << 32 | column, -1).first->second;
  }

  int make_pipe(int from, int to) {
    const int a = placement_.node(from), b = placement_.node(to);
    Pipe pipe{.from = from, .to = to, .cost = a == b ? &model_.intra : &model_.inter, .crosses = a != b};
    if (a != b && !ports_.empty()) {
      std::size_t count = 0;
      pipe.ports[count++] = nic(from, 0);
      const int leaf_a = first_uplink_ < 0 ? 0 : a / model_.nodes_per_switch,
                leaf_b = first_uplink_ < 0 ? 0 : b / model_.nodes_per_switch;
      if (leaf_a != leaf_b) {
        pipe.ports[count++] = first_uplink_ + 2 * leaf_a;
        pipe.ports[count++] = first_uplink_ + 2 * leaf_b + 1;
      }
      pipe.ports[count] = nic(to, 1);
    }
    pipes_.push_back(std::move(pipe));
    return static_cast<int>(pipes_.size()) - 1;
  }

  /// The port of a rank's NIC: way 0 out, 1 in.
  int nic(int rank, int way) const {
    const int nics = std::max(1, model_.nics);
    return 2 * (placement_.node(rank) * nics + placement_.local_rank(rank) % nics) + way;
  }

  /// A message passes a port as a stream: its head goes on while its tail still waits, and a port that is faster than
  /// those before it carries several streams side by side.
  void pass_port(int id, double time) {
    OnItsWay& it = on_their_way_[static_cast<std::size_t>(id)];
    VirtualPort& port = ports_[static_cast<std::size_t>(it.pipe->ports[it.port])];
    const auto bytes = static_cast<double>(it.message.bytes);
    const double passed = port.pass(time, bytes);
    it.tail = std::max(it.tail, passed);
    it.slowest = std::max(it.slowest, port.byte);
    ++it.port;
    if (it.port < it.pipe->ports.size() && it.pipe->ports[it.port] >= 0)
      return schedule({.time = std::max(time, it.tail - bytes * it.slowest), .id = id});
    it.message.arrival = std::max(it.message.arrival, it.tail + it.pipe->cost->latency);
    deliver(*it.pipe, it.message);
    unused_.push_back(id);
  }

  int keep(const OnItsWay& it) {
    if (unused_.empty()) {
      on_their_way_.push_back(it);
      return static_cast<int>(on_their_way_.size()) - 1;
    }
    const int id = unused_.back();
    unused_.pop_back();
    on_their_way_[static_cast<std::size_t>(id)] = it;
    return id;
  }

  void deliver(Pipe& pipe, const Message& message) {
    pipe.messages.push_back(message);
    if (std::exchange(pipe.receiver_waits, false)) runnable_.push_back(pipe.to);
  }

  void count(const Pipe& pipe, std::size_t bytes) {
    ++messages_;
    (pipe.crosses ? inter_bytes_ : intra_bytes_) += bytes;
  }

  const Placement& placement_;
  const sim::Model& model_;
  std::size_t capacity_;
  int size_;
  std::deque<Pipe> pipes_;
  std::vector<int> table_;
  std::unordered_map<std::uint64_t, int> map_;
  std::vector<VirtualPort> ports_;  // of each NIC: out, in; of each switch: up, down
  int first_uplink_ = -1;
  std::vector<VirtualEvent> events_;  // a heap
  std::uint64_t orders_ = 0;
  std::vector<OnItsWay> on_their_way_;
  std::vector<int> unused_;
  std::deque<int> runnable_;
  std::uint64_t messages_ = 0, intra_bytes_ = 0, inter_bytes_ = 0;
};

}  // namespace ringcoll::inline v0::detail
