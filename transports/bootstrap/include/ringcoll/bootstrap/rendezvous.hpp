// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/meeting.hpp>
#include <ringcoll/bootstrap/registrar.hpp>
#include <ringcoll/bootstrap/store_tree.hpp>

namespace ringcoll::inline v0::bootstrap {

/// One rank's way into the job.
class Joiner {
 public:
  Joiner(const Launch& launch, const ConnectOptions& options)
      : launch_(launch),
        options_(options),
        patience_(detail::connect_deadline(options)),
        deadline_(Clock::now() + patience_) {}

  std::shared_ptr<Endpoint> join() {
    const Meetings meetings(launch_, options_, deadline_);
    Meeting meeting = meetings.find();
    endpoint_ = std::make_shared<Endpoint>(EndpointOptions{.rank = launch_.rank,
                                                           .size = launch_.size,
                                                           .key = meeting.handed_out.value_or(meeting.key),
                                                           .interfaces = meetings.interfaces(),
                                                           .loopback_only = meeting.this_host_only,
                                                           .deadline = patience_,
                                                           .auth = meeting.auth});
    if (launch_.size == 1) return endpoint_;
    if (options_.store != nullptr) {
      meet_by_store(meeting, *options_.store);
    } else if (!meeting.listeners.empty()) {
      serve(meeting);
    } else {
      learn_and_pass_on(register_with_root(meeting));
    }
    return endpoint_;
  }

 private:
  static constexpr const char* parent = "the rank that passes on the addresses";

  Clock::duration left() const { return std::max(deadline_ - Clock::now(), Clock::duration::zero()); }

  void serve(Meeting& meeting) {
    Registrar registrar(meeting.key, meeting.id, *endpoint_, meeting.place, left());
    for (Socket& listener : meeting.listeners) registrar.add(std::move(listener));
    if (meeting.handed_out) registrar.hand_out(*meeting.handed_out);
    endpoint_->learn(registrar.run());
  }

  void meet_by_store(const Meeting& meeting, Store& store) {
    const StoreTree tree(store, launch_.rank, launch_.size);
    std::vector<StoreTree::Entry> entries = tree.gather(endpoint_->address(), deadline_);
    if (launch_.rank == meeting.root) {
      learn_and_pass_on(write_table(meeting.root, tree.table(std::move(entries))));
    } else {
      tree.publish(entries);
      learn_and_pass_on(receive_from_parent());
    }
  }

  /// Returns the table of addresses.
  Bytes register_with_root(const Meeting& meeting) {
    const std::string root = meeting.root >= 0 ? "rank " + std::to_string(meeting.root) : "the unique id's maker";
    Dialer dialer(Call{.key = meeting.key,
                       .purpose = joining(launch_.rank),
                       .endpoint = meeting.id,
                       .targets = meeting.targets,
                       .whom = root,
                       .rank = meeting.root,
                       .deadline = left(),
                       .gone_after = left()});
    while (!dialer.progress()) wait_for({dialer.fd()}, dialer.wake_at());
    MessageSocket messages(dialer.take(), max_table_bytes(launch_.size));
    const Join join{.size = launch_.size,
                    .patience = std::chrono::duration_cast<std::chrono::milliseconds>(left()),
                    .address = endpoint_->address()};
    messages.send(Word::join, join.to_bytes());
    Message answer = receive(messages, root);
    if (answer.word == Word::key) {
      endpoint_->adopt(read_key(answer.body));
      answer = receive(messages, root);
    }
    return answer.word == Word::table ? std::move(answer.body) : receive_from_parent();
  }

  Bytes receive_from_parent() {
    while (true) {
      endpoint_->progress();
      if (auto socket = endpoint_->take(table_for(launch_.rank))) {
        MessageSocket messages(std::move(*socket), max_table_bytes(launch_.size));
        return receive(messages, parent).body;
      }
      give_up_at_deadline(parent);
      wait_for({endpoint_->fd()}, deadline_);
    }
  }

  Message receive(MessageSocket& messages, const std::string& from) {
    while (true) {
      std::optional<Message> message;
      try {
        messages.flush();
        message = messages.receive();
      } catch (const Error& error) {
        throw Error(error.code(), from + " left before the ranks had met: " + text_of(error));
      }
      if (message && message->word == Word::failure) throw_error(message->body);
      if (message) return std::move(*message);
      give_up_at_deadline(from);
      wait_for({messages.fd()}, deadline_);
    }
  }

  void give_up_at_deadline(const std::string& whom) const {
    if (Clock::now() <= deadline_) return;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(patience_).count();
    throw Error(Errc::timeout, "the ranks have not met after " + std::to_string(waited) + " ms: " + whom +
                                   " has not answered; some rank is missing or stuck");
  }

  void learn_and_pass_on(Bytes bytes) {
    auto [root, table] = read_table(bytes, launch_.size);
    endpoint_->learn(std::move(table));
    pass_on(root, std::make_shared<const Bytes>(std::move(bytes)));
  }

  /// Hands the table to our children in the tree, to all of them at once.
  void pass_on(int root, const std::shared_ptr<const Bytes>& table) const {
    struct Child {
      Dialer dialer;
      std::optional<MessageSocket> messages;
    };
    std::vector<std::unique_ptr<Child>> children;
    for (const int child : tree_children(launch_.rank, root, launch_.size))
      children.push_back(std::make_unique<Child>(Child{Dialer(endpoint_, child, table_for(child)), std::nullopt}));
    const auto served = [&](const std::unique_ptr<Child>& child) {
      if (!child->messages) {
        if (!child->dialer.progress()) return false;
        child->messages.emplace(child->dialer.take(), 0);
        child->messages->send(Word::table, table);
      }
      child->messages->flush();
      return child->messages->flushed();
    };
    while (std::erase_if(children, served), !children.empty()) {
      give_up_at_deadline("a rank that gets the addresses from this one");
      wait_for({}, Clock::now() + std::chrono::microseconds(200));
    }
  }

  const Launch& launch_;
  const ConnectOptions& options_;
  std::chrono::nanoseconds patience_;
  Clock::time_point deadline_;
  std::shared_ptr<Endpoint> endpoint_;
};

/// Joins the job: returns when everybody's address is known here. Throws Error, on all ranks that it concerns.
inline std::shared_ptr<Endpoint> rendezvous(const Launch& launch, const ConnectOptions& options) {
  return Joiner(launch, options).join();
}

}  // namespace ringcoll::inline v0::bootstrap
