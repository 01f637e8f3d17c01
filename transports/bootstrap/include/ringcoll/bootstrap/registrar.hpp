// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/join.hpp>

namespace ringcoll::inline v0::bootstrap {

/// The root's side: registers everybody, event by event, then answers.
class Registrar {
 public:
  Registrar(const Key& key, std::uint64_t id, const Endpoint& own, std::string place, std::chrono::nanoseconds patience)
      : acceptor_(key, id),
        own_(own),
        place_(std::move(place)),
        start_(Clock::now()),
        deadline_(start_ + patience),
        records_(static_cast<std::size_t>(own.size())) {
    epoll_.watch(acceptor_.fd(), EPOLLIN, 0);
    keep(own.rank(), own.address());
  }

  void add(Socket listener) { acceptor_.add(std::move(listener)); }
  /// A key for everybody who registers.
  void hand_out(const Key& key) { key_ = key; }

  /// Everybody's addresses. Throws, after all who came have been told, when the job cannot start.
  AddressTable run() {
    while (registered_ < own_.size() && !failure_) {
      if (Clock::now() > deadline_) fail(Error(Errc::timeout, missing()));
      step(deadline_);
    }
    if (failure_) {
      tell_latecomers();
      throw *failure_;
    }
    AddressTable table;
    for (Record& record : records_) {
      table.add(Address::from_bytes(record.address));
      record.address = {};
    }
    hand_out(table);
    return table;
  }

 private:
  struct Record {
    Bytes address;              // empty: has not come
    std::uint64_t visitor = 0;  // its connection, 0 if it was told to hang up
  };
  struct Visitor {
    MessageSocket messages;
    int rank;
    std::string from;
    bool registered = false;
  };

  void step(Clock::time_point until) {
    wait_for({epoll_.fd()}, until);
    acceptor_.progress();
    while (auto arrival = acceptor_.take([](const Purpose& p) { return p == joining(p.from); })) {
      const std::uint64_t id = ++last_visitor_;
      epoll_.watch(arrival->socket.fd(), EPOLLIN, id);
      visitors_.try_emplace(id, Visitor{MessageSocket(std::move(arrival->socket), max_join_bytes),
                                        arrival->purpose.from, std::move(arrival->from)});
      serve(id);
    }
    epoll_.collect([&](std::uint64_t id, std::uint32_t) { serve(id); });
    if (!acceptor_.other_version().empty())
      fail(Error(Errc::protocol_error, acceptor_.other_version() + ": build all ranks with the same ringcoll"));
  }

  void serve(std::uint64_t id) {
    const auto found = visitors_.find(id);
    if (found == visitors_.end()) return;
    Visitor& visitor = found->second;
    try {
      visitor.messages.flush();
      while (auto message = visitor.messages.receive()) {
        if (message->word != Word::join || visitor.registered)
          throw Error(Errc::protocol_error, "it says what no registering rank says");
        enter(id, visitor, Join::from_bytes(message->body));
      }
    } catch (const Error& error) {
      const bool counted = visitor.registered && visitor.rank < own_.size() &&
                           records_[static_cast<std::size_t>(visitor.rank)].visitor == id;
      const int rank = visitor.rank;
      const std::string from = visitor.from;
      visitors_.erase(found);
      // One that has not registered may try again.
      if (counted)
        fail(Error(Errc::peer_failed,
                   "rank " + std::to_string(rank) + " (" + from + ") left before all ranks had come: " + text_of(error),
                   rank));
    }
  }

  void enter(std::uint64_t id, Visitor& visitor, const Join& join) {
    visitor.registered = true;
    ++joined_;
    if (failure_) return visitor.messages.send(Word::failure, write_error(*failure_));
    const int rank = visitor.rank;
    const Address& self = own_.address();
    if (join.size != own_.size())
      return fail(Error(Errc::invalid_argument,
                        "rank " + std::to_string(own_.rank()) + " (" + self.process() + ") was told that there are " +
                            std::to_string(own_.size()) + " ranks, rank " + std::to_string(rank) + " (" +
                            join.address.process() + ") that there are " + std::to_string(join.size) +
                            ": start all of them with the same size",
                        rank));
    if (rank < 0 || rank >= own_.size())
      return fail(Error(Errc::protocol_error, join.address.process() + " says that it is rank " + std::to_string(rank) +
                                                  " of " + std::to_string(own_.size())));
    const Record& record = records_[static_cast<std::size_t>(rank)];
    if (!record.address.empty()) {
      const Address first = Address::from_bytes(record.address);
      if (first.id != join.address.id)
        return fail(Error(Errc::invalid_argument,
                          "rank " + std::to_string(rank) + " was started twice, as " + first.process() + " and as " +
                              join.address.process() + ": each process needs a rank of its own",
                          rank));
    }
    // All give up together, with the reason that only we know: a little before the first of them would on its own.
    deadline_ = std::min(deadline_, Clock::now() + join.patience - join.patience / 10);
    keep(rank, join.address, id);
    if (key_) visitor.messages.send(Word::key, Bytes(key_->bytes.begin(), key_->bytes.end()));
    if (keeps_connection(rank)) return;
    records_[static_cast<std::size_t>(rank)].visitor = 0;
    visitor.messages.send(Word::wait);
  }

  void keep(int rank, const Address& address, std::uint64_t visitor = 0) {
    Record& record = records_[static_cast<std::size_t>(rank)];
    registered_ += record.address.empty();
    record.address = address.to_bytes();
    record.visitor = visitor;
  }

  bool is_child(int rank) const { return wrap(rank - own_.rank(), own_.size()) <= fanout; }

  /// Our children get the table on the connection that they came by. Others may keep theirs while there are
  /// descriptors, for then they learn at once why the job cannot start.
  bool keeps_connection(int rank) const {
    if (is_child(rank)) return true;
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return visitors_.size() < std::min<rlim_t>(limit.rlim_cur / 4, 4096);
  }

  void fail(const Error& error) {
    if (failure_) return;
    failure_ = error;
    for (auto& [id, visitor] : visitors_) {
      if (visitor.registered) visitor.messages.send(Word::failure, write_error(error));
    }
  }

  /// Those who come a little later hear of the failure too, instead of knocking until their own deadline.
  void tell_latecomers() {
    const Clock::time_point until = std::min(deadline_, Clock::now() + std::chrono::seconds(1));
    while (Clock::now() < until && (joined_ < own_.size() - 1 || !flushed())) step(until);
    for (auto& [id, visitor] : visitors_) visitor.messages.flush();
  }
  bool flushed() const {
    return std::all_of(visitors_.begin(), visitors_.end(), [](const auto& v) { return v.second.messages.flushed(); });
  }

  void hand_out(const AddressTable& table) {
    const auto body = std::make_shared<const Bytes>(write_table(own_.rank(), table));
    for (auto& [id, visitor] : visitors_) {
      if (!visitor.registered || records_[static_cast<std::size_t>(visitor.rank)].visitor != id) continue;
      is_child(visitor.rank) ? visitor.messages.send(Word::table, body) : visitor.messages.send(Word::wait);
    }
    while (!flushed()) {
      if (Clock::now() > deadline_)
        throw Error(Errc::timeout, "rendezvous at " + place_ + ": some ranks do not take the table of addresses");
      wait_for({}, Clock::now() + std::chrono::milliseconds(1));
      for (auto& [id, visitor] : visitors_) visitor.messages.flush();
    }
  }

  std::string missing() const {
    std::vector<int> ranks;
    int total = 0;
    for (int rank = 0; rank < own_.size(); ++rank) {
      if (!records_[static_cast<std::size_t>(rank)].address.empty()) continue;
      if (++total <= 16) ranks.push_back(rank);
    }
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_).count();
    std::string text = "rendezvous at " + place_ + ": after " + std::to_string(waited) + " ms " +
                       std::to_string(total) + " of " + std::to_string(own_.size()) +
                       " ranks have not come: " + list_of(ranks, total);
    if (acceptor_.strangers() > 0)
      text += "; " + std::to_string(acceptor_.strangers()) +
              " connections were refused because they did not know the job's key (is RINGCOLL_SECRET_FILE the same on "
              "all ranks?)";
    return text;
  }

  ringcoll::detail::Epoll epoll_;
  std::optional<Key> key_;
  Acceptor acceptor_;
  const Endpoint& own_;
  std::string place_;
  Clock::time_point start_, deadline_;
  std::vector<Record> records_;
  int registered_ = 0;  // ranks
  int joined_ = 0;      // messages of ranks that want to
  std::map<std::uint64_t, Visitor> visitors_;
  std::uint64_t last_visitor_ = 0;
  std::optional<Error> failure_;
};

}  // namespace ringcoll::inline v0::bootstrap
