// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/signature.hpp>
#include <ringcoll/transport.hpp>

#include "collectives.hpp"

namespace ringcoll_torch {

/// Messages with tags between the ranks of one group, over a transport of its own, so that they pass its collectives.
///
/// A receive takes the oldest message with its tag from its source, or from anybody. Messages lie in the transport
/// until a receive wants something of their sender; only those that lie before the wanted one are set aside in memory.
/// So a sender that is far ahead waits, as long as the transport has no credit for it. One thread, from the first
/// message on, moves all of it.
///
/// A receive that nothing has answered by its deadline fails alone. A lost peer fails what waits for that peer.
class Mailbox {
 public:
  using Clock = std::chrono::steady_clock;
  using Tag = std::uint64_t;
  /// Called once, by the mailbox's thread: null, and the rank that the message came from; or what went wrong.
  using Done = std::function<void(const ringcoll::Error* error, int source)>;

  static constexpr int anybody = -1;
  /// Tags from here on are for the backend's own messages.
  static constexpr Tag first_own_tag = Tag{1} << 32;

  Mailbox(int rank, int size, std::unique_ptr<ringcoll::AnyTransport> transport);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  /// Closes.
  ~Mailbox();

  /// The memory belongs to the mailbox until `done`.
  void send(const Elements& data, int to, Tag tag, Clock::duration patience, Done done);
  void receive(const Elements& data, int from, Tag tag, Clock::duration patience, Done done);

  /// From any thread: what is under way, and all that follows, fails with this error; peers are told.
  void fail(const ringcoll::Error& error);

  /// Gives up the receives, waits for the sends until their deadlines, and leaves in good order.
  void close();

 private:
  struct Parcel {
    Elements data;
    int peer = anybody;
    Tag tag = 0;
    Clock::duration patience{};
    Clock::time_point due;
    Done done;
    bool sends = false;
    std::size_t moved = 0;  // bytes
  };
  /// A message set aside, or one whose bytes nobody wants.
  struct Letter {
    int from = 0;
    ringcoll::Header header{};
    std::vector<std::byte> bytes;
  };
  /// The message that is arriving on a link.
  struct Incoming {
    bool open = false;
    ringcoll::Header header{};
    std::size_t bytes = 0, moved = 0;
    std::optional<Parcel> parcel;  // who gets it; nobody yet: it becomes a letter
    Letter letter;
  };
  struct Peer {
    std::deque<Parcel> sends;
    Incoming incoming;
    bool linked = false;                  // this rank has asked for its link
    bool left = false;                    // said that it sends no more
    std::optional<ringcoll::Error> gone;  // why it can do nothing more
  };

  void post(Parcel parcel);
  void serve();
  void sleep(bool idle);
  void take_posts();
  bool step();
  ringcoll::Link& link_to(int peer);
  bool push(int peer);
  bool pull(int peer);
  bool wanted(int peer) const;
  void open(int peer, const ringcoll::Header& header);
  void finish(int peer);
  void hand_over(Parcel parcel, const ringcoll::Header& header, int from);
  void deliver(Parcel& parcel);
  void lose(int peer, const ringcoll::Error& error);
  void give_up_overdue();
  void fail_all(const ringcoll::Error& error);
  void say_goodbye();
  void complete(Parcel& parcel, const ringcoll::Error* error, int source);
  ringcoll::Header header_of(const Parcel& parcel) const;
  ringcoll::Error mismatch(const Parcel& parcel, const ringcoll::Header& header, int from) const;
  std::string name_of(const Parcel& parcel) const;
  bool idle() const;

  const int rank_, size_;
  std::unique_ptr<ringcoll::AnyTransport> transport_;
  ringcoll::detail::Fd bell_ = ringcoll::detail::make_eventfd();  // rung by post, fail and close

  std::mutex mutex_;
  std::vector<Parcel> posts_;
  std::optional<ringcoll::Error> failure_;  // what fail() was given first
  bool closing_ = false;
  std::thread thread_;

  // The thread's own.
  std::vector<Peer> peers_;
  std::list<Parcel> receives_;  // as posted
  std::list<Letter> letters_;   // as they came
  std::optional<ringcoll::Error> failed_;
  Clock::time_point next_look_{};  // at the deadlines
};

}  // namespace ringcoll_torch
