// SPDX-License-Identifier: Apache-2.0
#include "mailbox.hpp"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace ringcoll_torch {
namespace {

using ringcoll::Errc, ringcoll::Error, ringcoll::Header, ringcoll::Signature;

constexpr std::chrono::milliseconds between_looks{10};
constexpr Mailbox::Tag goodbye = ~Mailbox::Tag{0};

/// What a message is: a call's signature, in which `schedule` is free and holds the bytes of an element.
Signature signature_of(const Elements& data) {
  return {.collective = ringcoll::Collective::point_to_point,
          .type = data.type,
          .schedule = static_cast<std::uint8_t>(data.element_bytes),
          .count = data.count};
}
std::size_t bytes_of(const Header& header) {
  const Signature signature = Signature::unpack(header.signature);
  return static_cast<std::size_t>(signature.count) * signature.schedule;
}
std::string elements(const Signature& signature) {
  return std::to_string(signature.count) + " " + ringcoll::name(signature.type);
}
std::string name_of_tag(Mailbox::Tag tag) {
  return tag < Mailbox::first_own_tag ? " with tag " + std::to_string(tag) : "";
}

}  // namespace

Mailbox::Mailbox(int rank, int size, std::unique_ptr<ringcoll::AnyTransport> transport)
    : rank_(rank), size_(size), transport_(std::move(transport)), peers_(static_cast<std::size_t>(size)) {}

Mailbox::~Mailbox() { close(); }

void Mailbox::send(const Elements& data, int to, Tag tag, Clock::duration patience, Done done) {
  post({.data = data,
        .peer = to,
        .tag = tag,
        .patience = patience,
        .due = Clock::now() + patience,
        .done = std::move(done),
        .sends = true});
}

void Mailbox::receive(const Elements& data, int from, Tag tag, Clock::duration patience, Done done) {
  post({.data = data,
        .peer = from,
        .tag = tag,
        .patience = patience,
        .due = Clock::now() + patience,
        .done = std::move(done)});
}

void Mailbox::post(Parcel parcel) {
  const std::string what = name_of(parcel);
  if (parcel.peer == rank_ || parcel.peer >= size_ || parcel.peer < (parcel.sends ? 0 : anybody))
    throw Error(Errc::invalid_argument, what + ": this is rank " + std::to_string(rank_) +
                                            ", and the other must be one of the ranks 0 … " +
                                            std::to_string(size_ - 1));
  {
    const std::lock_guard lock(mutex_);
    if (closing_) throw Error(Errc::invalid_argument, what + ": the group has been shut down");
    posts_.push_back(std::move(parcel));
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  }
  ringcoll::detail::Bell{nullptr, bell_.get()}.ring();
}

void Mailbox::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  ringcoll::detail::Bell{nullptr, bell_.get()}.ring();
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  ringcoll::detail::Bell{nullptr, bell_.get()}.ring();
  if (thread_.joinable()) thread_.join();
  transport_->close(failed_ ? &*failed_ : nullptr);
}

void Mailbox::serve() {
  // Looks at the links for a few microseconds, then lets others run, then sleeps: as a communicator waits.
  constexpr int looks = 100, yields = 32;
  for (int turn = 0;;) {
    take_posts();
    bool closing = false;
    std::optional<Error> failure;
    {
      const std::lock_guard lock(mutex_);
      closing = closing_ && posts_.empty();
      failure = failure_;
    }
    if (failure) fail_all(*failure);
    if (closing) {
      const Error left(Errc::aborted, "rank " + std::to_string(rank_) + " shut the group down before it was answered",
                       rank_);
      for (Parcel& parcel : receives_) complete(parcel, &left, parcel.peer);
      receives_.clear();
      const bool sending = std::any_of(peers_.begin(), peers_.end(), [](const Peer& p) { return !p.sends.empty(); });
      if (failed_) return;
      if (!sending) return say_goodbye();
    }
    if (step()) {
      turn = 0;
    } else if (idle()) {
      sleep(true);
    } else if (++turn > looks + yields) {
      sleep(false);
    } else if (turn > looks) {
      ::sched_yield();
    }
    if (Clock::now() >= next_look_) give_up_overdue();
  }
}

bool Mailbox::idle() const {
  return receives_.empty() && transport_->flushed() && std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) {
           return peer.sends.empty() && !peer.incoming.open;
         });
}

/// Until the bell rings, a peer does something, or it is time to look at the deadlines. Without work only the bell
/// counts.
void Mailbox::sleep(bool idle) {
  pollfd wakes[2] = {{bell_.get(), POLLIN, 0}, {transport_->wait_fd(), POLLIN, 0}};
  if (idle) {
    ::poll(wakes, 1, -1);
  } else {
    transport_->progress();
    transport_->arm();
    if (!step()) ::poll(wakes, wakes[1].fd >= 0 ? 2 : 1, wakes[1].fd >= 0 ? 10 : 1);
    transport_->disarm();
  }
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto read = ::read(bell_.get(), &rings, sizeof rings);  // nothing: it has not rung
}

void Mailbox::take_posts() {
  std::vector<Parcel> posts;
  {
    const std::lock_guard lock(mutex_);
    posts.swap(posts_);
  }
  for (Parcel& parcel : posts) {
    if (failed_) {
      complete(parcel, &*failed_, parcel.peer);
    } else if (parcel.sends) {
      Peer& peer = peers_[static_cast<std::size_t>(parcel.peer)];
      if (peer.gone) complete(parcel, &*peer.gone, parcel.peer);
      else peer.sends.push_back(std::move(parcel));
    } else {
      deliver(parcel);
    }
  }
}

/// To a new receive: a letter that has come before it, else it waits.
void Mailbox::deliver(Parcel& parcel) {
  const auto letter = std::find_if(letters_.begin(), letters_.end(), [&](const Letter& l) {
    return l.header.position == parcel.tag && (parcel.peer == anybody || parcel.peer == l.from);
  });
  if (letter != letters_.end()) {
    if (!letter->bytes.empty() && letter->bytes.size() == parcel.data.bytes())
      std::memcpy(parcel.data.data, letter->bytes.data(), letter->bytes.size());
    hand_over(std::move(parcel), letter->header, letter->from);
    letters_.erase(letter);
    return;
  }
  const Error* gone = nullptr;
  if (parcel.peer != anybody) {
    const Peer& peer = peers_[static_cast<std::size_t>(parcel.peer)];
    gone = peer.gone ? &*peer.gone : nullptr;
  }
  if (gone) complete(parcel, gone, parcel.peer);
  else receives_.push_back(std::move(parcel));
}

bool Mailbox::step() {
  if (failed_) return false;
  bool moved = false;
  transport_->progress();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_ || peers_[static_cast<std::size_t>(peer)].gone) continue;
    try {
      moved |= push(peer);
      moved |= pull(peer);
    } catch (const Error& error) {
      lose(peer, error);
      moved = true;
    } catch (const std::bad_alloc&) {
      lose(peer, Error(Errc::resource_exhausted, "no memory for a message from rank " + std::to_string(peer), rank_));
      moved = true;
    }
  }
  return moved;
}

ringcoll::Link& Mailbox::link_to(int peer) {
  peers_[static_cast<std::size_t>(peer)].linked = true;
  return transport_->link(peer, 0);
}

bool Mailbox::push(int peer) {
  std::deque<Parcel>& sends = peers_[static_cast<std::size_t>(peer)].sends;
  bool moved = false;
  while (!sends.empty()) {
    Parcel& parcel = sends.front();
    const std::size_t all = parcel.data.bytes();
    bool first = parcel.moved == 0;
    while (first || parcel.moved < all) {
      const std::size_t part = std::min(all - parcel.moved, transport_->frame_bytes());
      ringcoll::Link& link = link_to(peer);
      const ringcoll::Slot slot = link.reserve(part);
      if (!slot) return moved;
      *slot.header = header_of(parcel);
      if (part > 0) std::memcpy(slot.payload, static_cast<const std::byte*>(parcel.data.data) + parcel.moved, part);
      link.publish();
      parcel.moved += part;
      moved = true;
      first = false;
    }
    Parcel sent = std::move(parcel);
    sends.pop_front();
    complete(sent, nullptr, rank_);
  }
  return moved;
}

bool Mailbox::wanted(int peer) const {
  return std::any_of(receives_.begin(), receives_.end(),
                     [&](const Parcel& parcel) { return parcel.peer == anybody || parcel.peer == peer; });
}

bool Mailbox::pull(int peer) {
  Peer& state = peers_[static_cast<std::size_t>(peer)];
  Incoming& incoming = state.incoming;
  bool moved = false;
  while (!state.left && (incoming.open || wanted(peer))) {
    ringcoll::Link& link = link_to(peer);
    const ringcoll::Slot slot = link.peek();
    if (!slot) return moved;
    const Header header = *slot.header;
    moved = true;
    if (header.position == goodbye) {
      link.release();
      state.left = true;
      const Error left(Errc::peer_failed,
                       "rank " + std::to_string(peer) +
                           " has left the group (destroyed it, or exited) while this rank still waits for it",
                       peer);
      lose(peer, left);
      return true;
    }
    if (!incoming.open) open(peer, header);
    if (header != incoming.header || slot.bytes > incoming.bytes - incoming.moved)
      throw Error(Errc::protocol_error, "rank " + std::to_string(peer) + " sent a part of no message", peer);
    std::byte* const to =
        incoming.parcel ? static_cast<std::byte*>(incoming.parcel->data.data) : incoming.letter.bytes.data();
    if (slot.bytes > 0) std::memcpy(to + incoming.moved, slot.payload, slot.bytes);
    incoming.moved += slot.bytes;
    link.release();
    if (incoming.moved == incoming.bytes) finish(peer);
  }
  return moved;
}

/// A message begins: its receive, if it has come already and fits, gets the bytes directly.
void Mailbox::open(int peer, const Header& header) {
  Incoming& incoming = peers_[static_cast<std::size_t>(peer)].incoming;
  incoming = {};
  incoming.header = header;
  incoming.bytes = bytes_of(header);
  const auto receive = std::find_if(receives_.begin(), receives_.end(), [&](const Parcel& parcel) {
    return parcel.tag == header.position && (parcel.peer == anybody || parcel.peer == peer);
  });
  if (receive != receives_.end() && header == header_of(*receive)) {
    incoming.parcel = std::move(*receive);
    receives_.erase(receive);
  } else {
    incoming.letter = {.from = peer, .header = header, .bytes = std::vector<std::byte>(incoming.bytes)};
  }
  incoming.open = true;
}

void Mailbox::finish(int peer) {
  Incoming done = std::exchange(peers_[static_cast<std::size_t>(peer)].incoming, {});
  if (done.parcel) return complete(*done.parcel, nullptr, peer);
  letters_.push_back(std::move(done.letter));
  // Its receive may have come meanwhile, or been there but not have fitted.
  const Letter& letter = letters_.back();
  const auto receive = std::find_if(receives_.begin(), receives_.end(), [&](const Parcel& parcel) {
    return parcel.tag == letter.header.position && (parcel.peer == anybody || parcel.peer == peer);
  });
  if (receive == receives_.end()) return;
  Parcel parcel = std::move(*receive);
  receives_.erase(receive);
  deliver(parcel);
}

void Mailbox::hand_over(Parcel parcel, const Header& header, int from) {
  if (header == header_of(parcel)) return complete(parcel, nullptr, from);
  const Error error = mismatch(parcel, header, from);
  complete(parcel, &error, from);
}

void Mailbox::lose(int lost, const Error& error) {
  Peer& peer = peers_[static_cast<std::size_t>(lost)];
  peer.gone = error;
  for (Parcel& parcel : peer.sends) complete(parcel, &error, lost);
  peer.sends.clear();
  if (peer.incoming.open && peer.incoming.parcel) complete(*peer.incoming.parcel, &error, lost);
  peer.incoming = {};
  // Who listens to anybody goes on while somebody is left to be heard, unless one was lost and not just left.
  const bool alone = std::all_of(peers_.begin(), peers_.end(), [&](const Peer& other) {
    return other.gone || &other == &peers_[static_cast<std::size_t>(rank_)];
  });
  for (auto at = receives_.begin(); at != receives_.end();) {
    const bool fails = at->peer == lost || (at->peer == anybody && (!peer.left || alone));
    if (!fails) {
      ++at;
      continue;
    }
    complete(*at, &error, lost);
    at = receives_.erase(at);
  }
}

void Mailbox::give_up_overdue() {
  const Clock::time_point now = Clock::now();
  next_look_ = now + between_looks;
  const auto late = [&](const Parcel& parcel, const char* why) {
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(parcel.patience).count();
    return Error(Errc::timeout, name_of(parcel) + ": " + why + " after " + std::to_string(waited) + " ms", parcel.peer);
  };
  for (auto at = receives_.begin(); at != receives_.end();) {
    if (now < at->due) {
      ++at;
      continue;
    }
    const Error error = late(*at, "nothing has arrived");
    complete(*at, &error, at->peer);
    at = receives_.erase(at);
  }
  for (int peer = 0; peer < size_; ++peer) {
    Peer& state = peers_[static_cast<std::size_t>(peer)];
    if (!state.sends.empty() && now >= state.sends.front().due)
      lose(peer, late(state.sends.front(), "it has not been taken"));
    else if (state.incoming.open && state.incoming.parcel && now >= state.incoming.parcel->due)
      lose(peer, late(*state.incoming.parcel, "only a part has arrived"));
  }
}

void Mailbox::fail_all(const Error& error) {
  if (failed_) return;
  failed_ = error;
  for (int peer = 0; peer < size_; ++peer) lose(peer, error);
  for (Parcel& parcel : receives_) complete(parcel, &error, parcel.peer);
  receives_.clear();
  letters_.clear();
  transport_->close(&error);
}

/// Peers that listen to anybody learn from this that they need not wait for us. Those that do not take it now will hear
/// that this rank has gone when they look.
void Mailbox::say_goodbye() {
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(100);
  std::vector<bool> told(peers_.size(), false);
  do {
    transport_->progress();
    bool all = true;
    for (int peer = 0; peer < size_; ++peer) {
      const auto at = static_cast<std::size_t>(peer);
      if (peer == rank_ || peers_[at].gone || told[at] || !peers_[at].linked) continue;
      try {
        ringcoll::Link& link = transport_->link(peer, 0);
        if (const ringcoll::Slot slot = link.reserve(0)) {
          *slot.header = {.signature = {}, .position = goodbye};
          link.publish();
          told[at] = true;
        }
      } catch (const Error&) {
        told[at] = true;  // it has gone first
      }
      all &= told[at];
    }
    if (all && transport_->flushed()) return;
    ::sched_yield();
  } while (Clock::now() < end);
}

void Mailbox::complete(Parcel& parcel, const Error* error, int source) {
  const Done done = std::exchange(parcel.done, nullptr);
  done(error, source);
}

Header Mailbox::header_of(const Parcel& parcel) const {
  const auto words = signature_of(parcel.data).pack();
  return {.signature = {words[0], words[1]}, .position = parcel.tag};
}

Error Mailbox::mismatch(const Parcel& parcel, const Header& header, int from) const {
  return {Errc::mismatch,
          "calls do not match: rank " + std::to_string(from) + " sent " +
              elements(Signature::unpack(header.signature)) + name_of_tag(parcel.tag) + ", but rank " +
              std::to_string(rank_) + " receives " + elements(signature_of(parcel.data)) +
              "; both must say the same length and type",
          from};
}

std::string Mailbox::name_of(const Parcel& parcel) const {
  const std::string peer = parcel.peer == anybody ? "anybody" : "rank " + std::to_string(parcel.peer);
  return std::string(parcel.sends ? "send to " : "receive from ") + peer + name_of_tag(parcel.tag);
}

}  // namespace ringcoll_torch
