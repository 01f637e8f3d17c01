// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ringcoll/execute.hpp>

namespace ringcoll::inline v0 {

/// How a schedule is run on paper.
struct SimulationOptions {
  int root = 0;
  int slots = 0;  ///< messages of one round that fit a link; 0: as many as the schedule asks for
  int rounds = 1;
  int window = 1;
  int missing = 0;          ///< allreduce: elements that the last chunk has fewer than the others; below rounds
  bool in_place = true;     ///< in and out are the same memory
  bool ordered = false;     ///< the op does not commute: contributions must stand in rank order
  bool canonical = false;   ///< sums must be the one expression that `reproducible` promises
  bool count_links = true;  ///< fill in the counts of Simulation; takes memory for every link used
};

/// What came out.
struct Simulation {
  std::string why;                      ///< empty: every rank ended with the right result
  std::uint64_t messages = 0;           ///< in all
  std::uint64_t messages_per_link = 0;  ///< on the link that carries most
  std::uint64_t chunks_per_link = 0;    ///< on the link that carries most: the messages' pieces (of one round) add up

  explicit operator bool() const { return why.empty(); }
};

namespace detail {

/// Stands for one element: not a number, but the record of how it was made.
struct Symbol {
  static constexpr int most_ranks = 0xffff;

  std::uint32_t expression = 0;    ///< equal exactly (but for hash collisions) for values computed in the same way
  std::uint16_t first = 0;         ///< the contributions are those of ranks first, first+1, … (mod size)
  std::uint16_t count = 0;         ///< this many; 0: no value
  std::uint32_t element : 24 = 0;  ///< which element of the input it belongs to
  bool prepared : 1 = false;
  bool finished : 1 = false;
  bool ordered : 1 = true;  ///< operands always stood in rank order
  bool wrong : 1 = false;   ///< combined from what may not be combined

  friend bool operator==(const Symbol&, const Symbol&) = default;
};

constexpr std::uint32_t scramble(std::uint32_t a, std::uint32_t b) {
  std::uint32_t x = a * 0x9e3779b1u + b;
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

/// The op of the simulation: joins the records of two values, and notices what no sum may do.
struct Join {
  int size;

  Symbol operator()(const Symbol& a, const Symbol& b) const {
    Symbol sum = a;
    const bool follows = end(a) == b.first, precedes = end(b) == a.first;
    sum.expression = scramble(a.expression, b.expression);
    sum.first = follows ? a.first : b.first;
    sum.count = static_cast<std::uint16_t>(a.count + b.count);
    sum.ordered = a.ordered && b.ordered && a.first + a.count == b.first;
    // Wrong: nothing at all, a rank twice or out of the others' reach, other elements, raw inputs, finished results.
    sum.wrong = a.wrong || b.wrong || a.count == 0 || b.count == 0 || a.count + b.count > size ||
                !(follows || precedes) || a.element != b.element || !a.prepared || !b.prepared || a.finished ||
                b.finished;
    return sum;
  }
  Symbol prepare(Symbol a) const {
    a.wrong = a.wrong || a.prepared;
    a.prepared = true;
    return a;
  }
  Symbol finish(Symbol a, int ranks) const {
    a.wrong = a.wrong || a.finished || a.count != ranks;
    a.finished = true;
    return a;
  }

 private:
  /// The rank behind the contributions of `a`, mod size.
  int end(const Symbol& a) const { return a.first + a.count < size ? a.first + a.count : a.first + a.count - size; }
};

inline Symbol leaf(int rank, std::size_t element) {
  Symbol s;
  s.expression = scramble(static_cast<std::uint32_t>(rank) + 1, static_cast<std::uint32_t>(element));
  s.first = static_cast<std::uint16_t>(rank);
  s.count = 1;
  s.element = static_cast<std::uint32_t>(element) & 0xffffff;
  return s;
}

/// What every reproducible schedule must make of the ranks' inputs: the binomial tree's sum of the ranks from `first`,
/// `reach` of them at most.
inline std::uint32_t canonical_expression(int size, std::size_t element, int first, int reach) {
  std::uint32_t sum = leaf(first, element).expression;
  for (int distance = 1; distance < reach && first + distance < size; distance *= 2)
    sum = scramble(sum, canonical_expression(size, element, first + distance, distance));
  return sum;
}

/// All links of the simulated ranks: queues of at most `capacity` messages.
class PaperNetwork {
 public:
  struct Message {
    Header header;
    Symbol piece;                      ///< where messages have one
    std::unique_ptr<Symbol[]> pieces;  ///< where they may have several
    std::size_t bytes = 0;
    int heard = 0;  ///< for barriers: the sender knows of so many ranks, itself and those before it

    std::byte* payload() { return reinterpret_cast<std::byte*>(pieces ? pieces.get() : &piece); }
  };
  struct Pipe {
    std::vector<Message> messages;
    std::size_t taken = 0;
    Message next;
  };

  PaperNetwork(int size, std::size_t capacity, int most_parts, bool count_links)
      : heard_(static_cast<std::size_t>(size), 1),
        waits_(static_cast<std::size_t>(size), none),
        size_(size),
        capacity_(capacity),
        most_parts_(static_cast<std::size_t>(most_parts)),
        count_links_(count_links) {}

  Pipe& pipe(int from, int to) { return pipes_[key(from, to)]; }
  Message* room(Pipe& pipe) const {
    if (pipe.messages.size() - pipe.taken >= capacity_) return nullptr;
    if (most_parts_ > 1 && !pipe.next.pieces) pipe.next.pieces = std::make_unique<Symbol[]>(most_parts_);
    return &pipe.next;
  }
  void send(int from, int to, Pipe& pipe) {
    pipe.next.heard = heard_[static_cast<std::size_t>(from)];
    const std::uint64_t chunks = pipe.next.bytes / sizeof(Symbol);
    pipe.messages.push_back(std::move(pipe.next));
    wake(to, from);
    ++messages_;
    if (!count_links_) return;
    Carried& carried = carried_[key(from, to)];
    most_.messages = std::max(most_.messages, ++carried.messages);
    most_.chunks = std::max(most_.chunks, carried.chunks += chunks);
  }
  Message* oldest(int from, int to, Pipe& pipe) {
    if (pipe.taken == pipe.messages.size()) return nullptr;
    Message& message = pipe.messages[pipe.taken];
    // What the sender knew of the ranks before it joins what the receiver knows, if that leaves no gap.
    int& known = heard_[static_cast<std::size_t>(to)];
    const int distance = wrap(to - from, size_);
    if (distance <= known) known = std::min(size_, std::max(known, distance + message.heard));
    return &message;
  }
  void take(int from, int to, Pipe& pipe) {
    wake(from, to);
    if (++pipe.taken < pipe.messages.size()) return;
    pipe.messages.clear();
    pipe.taken = 0;
    if (pipes_.size() <= 2 * heard_.size()) return;
    pipes_.erase(key(from, to));  // all-to-all uses each of its n² links once
    ++erased_;
  }
  /// Changes when references to pipes may have become invalid.
  std::uint64_t erased() const { return erased_; }
  /// Nothing can move `rank` until the link to or from `peer` changes.
  void wait(int rank, int peer) { waits_[static_cast<std::size_t>(rank)] = peer; }
  bool stuck(int rank) const { return waits_[static_cast<std::size_t>(rank)] != none; }
  int heard(int rank) const { return heard_[static_cast<std::size_t>(rank)]; }
  bool idle() const {
    return std::all_of(pipes_.begin(), pipes_.end(),
                       [](const auto& entry) { return entry.second.taken == entry.second.messages.size(); });
  }
  std::uint64_t messages() const { return messages_; }
  std::uint64_t messages_per_link() const { return most_.messages; }
  std::uint64_t chunks_per_link() const { return most_.chunks; }

 private:
  struct Carried {
    std::uint64_t messages = 0, chunks = 0;
  };

  static std::uint64_t key(int from, int to) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(from)) << 32 | static_cast<std::uint32_t>(to);
  }

  void wake(int rank, int peer) {
    if (int& waits = waits_[static_cast<std::size_t>(rank)]; waits == peer) waits = none;
  }

  std::unordered_map<std::uint64_t, Pipe> pipes_;
  std::unordered_map<std::uint64_t, Carried> carried_;
  std::vector<int> heard_, waits_;
  int size_;
  std::size_t capacity_, most_parts_;
  bool count_links_;
  Carried most_;
  std::uint64_t messages_ = 0, erased_ = 0;
};

/// One rank's links on paper. A step uses at most one to receive and one to send, so two objects serve all peers.
class PaperLinks final : public Links {
 public:
  PaperLinks(PaperNetwork& network, int rank) : in_(network, rank), out_(network, rank) {}
  Link& to(int peer) override { return out_.towards(peer); }
  Link& from(int peer) override { return in_.towards(peer); }

 private:
  class End final : public Link {
   public:
    End(PaperNetwork& network, int rank) : network_(&network), rank_(rank) {}
    End& towards(int peer) {
      if (peer != peer_) pipe_ = nullptr;
      peer_ = peer;
      return *this;
    }
    Slot reserve(std::size_t bytes) override {
      PaperNetwork::Message* const message = network_->room(pipe(rank_, peer_));
      if (!message) return {};
      message->bytes = bytes;
      return {&message->header, message->payload(), bytes};
    }
    void publish() override { network_->send(rank_, peer_, pipe(rank_, peer_)); }
    Slot peek() override {
      PaperNetwork::Message* const message = network_->oldest(peer_, rank_, pipe(peer_, rank_));
      if (!message) return {};
      return {&message->header, message->payload(), message->bytes};
    }
    void release() override { network_->take(peer_, rank_, pipe(peer_, rank_)); }

   private:
    PaperNetwork::Pipe& pipe(int from, int to) {
      if (!pipe_ || erased_ != network_->erased()) pipe_ = &network_->pipe(from, to);
      erased_ = network_->erased();
      return *pipe_;
    }

    PaperNetwork* network_;
    PaperNetwork::Pipe* pipe_ = nullptr;
    std::uint64_t erased_ = 0;
    int rank_, peer_ = none;
  };

  End in_, out_;
};

/// The buffers of one simulated rank, and what must be in them at the end.
class PaperRank {
 public:
  PaperRank(Collective collective, const AnySchedule& schedule, int rank, int size, const SimulationOptions& options)
      : collective_(collective), rank_(rank), size_(size), options_(options) {
    const auto rounds = static_cast<std::size_t>(options.rounds), chunks = static_cast<std::size_t>(schedule.chunks());
    whole_ = {.count = rounds * chunks - static_cast<std::size_t>(options.missing), .per_chunk = rounds};
    const bool takes_part = collective == Collective::allgather || collective == Collective::gather;
    const bool gives_part = collective == Collective::reduce_scatter || collective == Collective::scatter;
    const bool moves_none = collective == Collective::barrier;
    const std::size_t part_at = whole_.chunk(moves_none ? 0 : rank % static_cast<int>(chunks)).first;
    const bool has_in =
        !(collective == Collective::broadcast || collective == Collective::scatter) || rank == options.root;
    const std::size_t in_count = takes_part ? rounds : whole_.count, out_count = gives_part ? rounds : whole_.count;
    const bool shared = options.in_place || collective == Collective::broadcast;
    memory_.resize(shared ? whole_.count : in_count + out_count);
    Symbol* const in = memory_.data() + (shared && takes_part ? part_at : 0);
    Symbol* const out = shared ? memory_.data() + (gives_part ? part_at : 0) : memory_.data() + in_count;
    for (std::size_t i = 0; has_in && i < in_count; ++i) in[i] = leaf(rank, i + (takes_part ? part_at : 0));
    out_ = out;

    call_.schedule = schedule;
    call_.rank = rank;
    call_.size = size;
    call_.signature.collective = collective;
    call_.in = whole_;
    call_.in.base = reinterpret_cast<std::byte*>(in);
    call_.in.only = takes_part ? rank : none;
    call_.out = whole_;
    call_.out.base = reinterpret_cast<std::byte*>(out);
    call_.out.only = gives_part ? rank : none;
    call_.element_bytes = sizeof(Symbol);
    call_.rounds = rounds;
    call_.window = static_cast<std::size_t>(options.window);
    call_.reduces = collective == Collective::allreduce || collective == Collective::reduce_scatter ||
                    collective == Collective::reduce;
    if (moves_none) call_.in = call_.out = {};
    scratch_.resize(call_.scratch_bytes() / sizeof(Symbol));
    call_.scratch = reinterpret_cast<std::byte*>(scratch_.data());
  }

  Call& call() { return call_; }

  /// Empty if this rank's result is right. `first`: rank 0, or the root: whose expressions the others must share.
  std::string complaint(const PaperRank& first, const PaperNetwork& network) const {
    const std::size_t rounds = whole_.per_chunk;
    switch (collective_) {
      case Collective::barrier:
        return network.heard(rank_) == size_
                   ? ""
                   : text("left knowing of only " + std::to_string(network.heard(rank_)) + " ranks");
      case Collective::allreduce: return sums(0, whole_.count, &first);
      case Collective::reduce: return rank_ == options_.root ? sums(0, whole_.count, nullptr) : "";
      case Collective::reduce_scatter: return sums(static_cast<std::size_t>(rank_) * rounds, rounds, nullptr);
      case Collective::broadcast: return copies(0, whole_.count, [&](std::size_t i) { return leaf(options_.root, i); });
      case Collective::gather:
        if (rank_ != options_.root) return "";
        [[fallthrough]];
      case Collective::allgather:
        return copies(0, whole_.count, [&](std::size_t i) { return leaf(static_cast<int>(i / rounds), i); });
      case Collective::scatter:
        return copies(static_cast<std::size_t>(rank_) * rounds, rounds,
                      [&](std::size_t i) { return leaf(options_.root, i); });
      case Collective::alltoall:
        return copies(0, whole_.count, [&](std::size_t i) {
          return leaf(static_cast<int>(i / rounds), static_cast<std::size_t>(rank_) * rounds + i % rounds);
        });
      case Collective::point_to_point:
      case Collective::split: break;
    }
    return "no collective to simulate";
  }

 private:
  std::string text(const std::string& what) const { return "rank " + std::to_string(rank_) + " " + what; }

  std::string sums(std::size_t begin, std::size_t count, const PaperRank* same_as) const {
    for (std::size_t i = 0; i < count; ++i) {
      const Symbol& s = out_[i];
      const std::string of = " in element " + std::to_string(begin + i);
      if (s.wrong || s.count != size_) return text("holds no sum of each rank's contribution once" + of);
      if (s.element != begin + i) return text("holds the sum of another element" + of);
      if (!s.prepared || !s.finished)
        return text("holds a sum that was not " + std::string(s.prepared ? "finished" : "prepared") + of);
      if (options_.ordered && !s.ordered) return text("summed out of rank order" + of);
      if (options_.canonical && s.expression != canonical_expression(size_, begin + i, 0, size_))
        return text("summed otherwise than `reproducible` promises" + of);
      if (same_as && !(same_as->out_[i].expression == s.expression))
        return text("computed otherwise than rank 0, so its bits may differ" + of);
    }
    return "";
  }

  template <class Expected>
  std::string copies(std::size_t begin, std::size_t count, Expected&& expected) const {
    for (std::size_t i = 0; i < count; ++i)
      if (!(out_[i] == expected(begin + i)))
        return text("holds something else than it should in element " + std::to_string(begin + i));
    return "";
  }

  Collective collective_;
  int rank_, size_;
  SimulationOptions options_;
  Layout whole_;
  std::vector<Symbol> memory_, scratch_;
  const Symbol* out_ = nullptr;
  Call call_;
};

}  // namespace detail

/// Runs `schedule` for `size` ranks on paper: the executor that moves real data runs it here over symbols, on links
/// that hold as few messages as the schedule says it needs.
///
/// Proves, for this size: no deadlock; every contribution is in every result exactly once, and belongs there; all ranks
/// compute a result by the same expression or take it from one author, so all end with the same bits; avg divides once;
/// operands stand in rank order (`ordered`); in-place calls overwrite nothing that is still needed.
inline Simulation simulate(Collective collective, const AnySchedule& schedule, int size,
                           const SimulationOptions& options = {}) {
  using namespace detail;
  Simulation result;
  if (size < 1 || size > Symbol::most_ranks) {
    result.why =
        std::to_string(size) + " ranks cannot be simulated, 1 … " + std::to_string(Symbol::most_ranks) + " can";
    return result;
  }
  const int slots = options.slots > 0 ? options.slots : schedule.slots();
  PaperNetwork network(size, static_cast<std::size_t>(slots) * static_cast<std::size_t>(options.window),
                       schedule.most_parts(), options.count_links);
  const Join join{size};
  std::vector<PaperRank> ranks;
  std::deque<PaperLinks> links;
  std::vector<Running> running;
  ranks.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back(collective, schedule, rank, size, options);
    Call& call = ranks.back().call();
    call.kernel = call.reduces ? kernel<Symbol, Join>() : copy_kernel<Symbol>();
    call.op = &join;
    links.emplace_back(network, rank);
    running.emplace_back(call, links.back());
  }

  int under_way = size;
  try {
    std::vector<bool> done(running.size(), false);
    // Runs each of these ranks as far as it can go by itself; true if there was one that could.
    const auto sweep = [&](std::size_t begin, std::size_t end) {
      bool moved = false;
      for (std::size_t i = begin; i < end; ++i) {
        const int rank = static_cast<int>(i);
        if (done[i] || network.stuck(rank)) continue;
        moved = true;
        done[i] = running[i].advance();
        if (done[i]) --under_way;
        else network.wait(rank, running[i].waits_for());
      }
      return moved;
    };
    // Neighbours go on together while they can, so that what they touch stays in the cache.
    constexpr std::size_t neighbours = 64;
    for (bool moved = true; moved && under_way > 0;) {
      moved = false;
      for (std::size_t begin = 0; begin < running.size(); begin += neighbours)
        while (sweep(begin, std::min(begin + neighbours, running.size()))) moved = true;
    }
    for (std::size_t i = 0; under_way > 0 && result.why.empty() && i < running.size(); ++i)
      if (!done[i])
        result.why = "deadlock with " + std::to_string(slots) + " slots a link: rank " + std::to_string(i) + " and " +
                     std::to_string(under_way - 1) + " others are stuck, it at " + running[i].where();
  } catch (const Error& error) {
    result.why = error.what();
  }
  if (result.why.empty() && !network.idle()) result.why = "messages are left over that nobody takes";
  for (int rank = 0; result.why.empty() && rank < size; ++rank)
    result.why = ranks[static_cast<std::size_t>(rank)].complaint(ranks.front(), network);
  result.messages = network.messages();
  result.messages_per_link = network.messages_per_link();
  result.chunks_per_link = network.chunks_per_link();
  return result;
}

}  // namespace ringcoll::inline v0
