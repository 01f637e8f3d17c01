// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::bootstrap {

using Bytes = std::vector<std::byte>;

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string to_hex(std::span<const std::byte> bytes) {
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::byte b : bytes) {
    hex += "0123456789abcdef"[static_cast<unsigned>(b) >> 4];
    hex += "0123456789abcdef"[static_cast<unsigned>(b) & 15];
  }
  return hex;
}

/// The bytes that hex text stands for; empty if it is not hex.
inline Bytes from_hex(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  Bytes bytes;
  if (text.size() % 2 != 0) return bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return bytes;
}

/// A peer's text, made harmless for a terminal and a log line.
inline std::string printable(std::string_view text, std::size_t longest = 256) {
  std::string result;
  for (const char c : text.substr(0, longest)) result += c >= ' ' && c <= '~' ? c : '?';
  return result;
}

/// Appends numbers, least significant byte first, and short texts.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
  void bytes(std::span<const std::byte> data) { out_.insert(out_.end(), data.begin(), data.end()); }
  /// At most 255 characters.
  void text(std::string_view s) {
    s = s.substr(0, 255);
    number(s.size(), 1);
    bytes(as_bytes(s));
  }

 private:
  Bytes& out_;
};

/// Reads what a Writer wrote, from bytes that anybody may have made: every step is checked.
class Reader {
 public:
  /// `what` names the bytes in the error, and must outlive the reader.
  Reader(std::span<const std::byte> in, const char* what) : in_(in), what_(what) {}

  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    const std::span<const std::byte> part = this->bytes(static_cast<std::size_t>(bytes));
    for (std::size_t i = 0; i < part.size(); ++i) value |= static_cast<std::uint64_t>(part[i]) << (8 * i);
    return value;
  }
  std::int32_t integer() { return static_cast<std::int32_t>(number(4)); }
  std::span<const std::byte> bytes(std::size_t count) {
    if (count > in_.size()) refuse("is cut short");
    const auto part = in_.first(count);
    in_ = in_.subspan(count);
    return part;
  }
  std::string text(std::size_t longest) {
    const auto count = static_cast<std::size_t>(number(1));
    if (count > longest) refuse("has a name of " + std::to_string(count) + " characters");
    const auto part = bytes(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::size_t left() const { return in_.size(); }
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Errc::protocol_error, std::string(what_) + " from a peer " + why);
  }

 private:
  std::span<const std::byte> in_;
  const char* what_;
};

}  // namespace ringcoll::inline v0::bootstrap
