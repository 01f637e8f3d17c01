// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <ringcoll/bootstrap/bytes.hpp>
#include <ringcoll/bootstrap/socket.hpp>

namespace ringcoll::inline v0::bootstrap {

/// What ranks say to each other while they join a job.
enum class Word : std::uint8_t {
  join = 1,  ///< to the root: my size, my patience, my address
  key,       ///< from the root, before its answer: for connections between ranks
  wait,      ///< from the root: you are registered, hang up; the table comes from another rank
  table,     ///< everybody's addresses
  failure,   ///< the job cannot start, and why
};

struct Message {
  Word word = Word::join;
  Bytes body;
};

/// Messages over an authenticated socket, each a word, a length and a body. It never waits.
class MessageSocket {
 public:
  /// `longest` bounds what a peer can make us allocate.
  MessageSocket(Socket socket, std::size_t longest) : socket_(std::move(socket)), longest_(longest) {}

  int fd() const { return socket_.fd(); }
  bool flushed() const { return out_.empty(); }

  /// One body may go to many peers.
  void send(Word word, std::shared_ptr<const Bytes> body) {
    auto head = std::make_shared<Bytes>();
    Writer w(*head);
    w.number(static_cast<unsigned>(word), 1);
    w.number(body->size(), 4);
    out_.push_back(std::move(head));
    if (!body->empty()) out_.push_back(std::move(body));
    flush();
  }
  void send(Word word, Bytes body = {}) { send(word, std::make_shared<const Bytes>(std::move(body))); }

  /// Sends what the socket takes. A broken connection shows when it is read.
  void flush() {
    while (!out_.empty()) {
      const Bytes& front = *out_.front();
      const auto bytes = ::send(socket_.fd(), front.data() + sent_, front.size() - sent_, MSG_NOSIGNAL);
      if (bytes < 0) {
        if (!would_block(errno)) out_.clear();
        return;
      }
      sent_ += static_cast<std::size_t>(bytes);
      if (sent_ < front.size()) continue;
      out_.pop_front();
      sent_ = 0;
    }
  }

  /// The next message if all of it has arrived. Throws Error(peer_failed) when the peer has hung up.
  std::optional<Message> receive() {
    while (true) {
      if (got_ == in_.size()) {
        if (in_.size() >= head_bytes + body_bytes_ && have_head_) return finish();
        in_.resize(have_head_ ? std::min(in_.size() + grow_by, head_bytes + body_bytes_) : head_bytes);
      }
      const auto bytes = ::recv(socket_.fd(), in_.data() + got_, in_.size() - got_, 0);
      if (bytes < 0 && would_block(errno)) return std::nullopt;
      if (bytes <= 0) throw Error(Errc::peer_failed, bytes == 0 ? "it closed the connection" : system_text(errno));
      got_ += static_cast<std::size_t>(bytes);
      if (!have_head_ && got_ == head_bytes) read_head();
    }
  }

 private:
  static constexpr std::size_t head_bytes = 5, grow_by = std::size_t{1} << 20;

  void read_head() {
    Reader r(in_, "a message");
    r.number(1);
    body_bytes_ = static_cast<std::size_t>(r.number(4));
    if (body_bytes_ > longest_) r.refuse("has " + std::to_string(body_bytes_) + " bytes");
    have_head_ = true;
  }
  Message finish() {
    Message message{static_cast<Word>(in_[0]), {in_.begin() + head_bytes, in_.end()}};
    in_.clear();
    got_ = body_bytes_ = 0;
    have_head_ = false;
    return message;
  }

  Socket socket_;
  std::size_t longest_;
  std::deque<std::shared_ptr<const Bytes>> out_;
  std::size_t sent_ = 0;  // of the first of them
  Bytes in_;
  std::size_t got_ = 0, body_bytes_ = 0;
  bool have_head_ = false;
};

inline constexpr std::size_t max_error_text = 2000;

/// An error's sentence without the library's name, to be part of another.
inline std::string text_of(const Error& error) {
  constexpr std::string_view prefix = "ringcoll: ";
  const std::string_view what = error.what();
  return std::string(what.starts_with(prefix) ? what.substr(prefix.size()) : what);
}

/// An error as it travels to the ranks that it concerns.
inline Bytes write_error(const Error& error) {
  Bytes out;
  Writer w(out);
  w.number(static_cast<unsigned>(error.code()), 1);
  w.number(static_cast<std::uint32_t>(error.rank()), 4);
  w.bytes(as_bytes(text_of(error).substr(0, max_error_text)));
  return out;
}

[[noreturn]] inline void throw_error(std::span<const std::byte> body) {
  Reader r(body, "an error");
  const auto code = static_cast<int>(r.number(1));
  const int rank = r.integer();
  const auto text = r.bytes(r.left());
  if (code > static_cast<int>(Errc::system_error)) r.refuse("has the code " + std::to_string(code));
  throw Error(static_cast<Errc>(code),
              printable({reinterpret_cast<const char*>(text.data()), text.size()}, max_error_text), rank);
}

}  // namespace ringcoll::inline v0::bootstrap
