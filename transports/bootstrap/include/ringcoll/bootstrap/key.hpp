// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <ringcoll/bootstrap/bytes.hpp>
#include <ringcoll/bootstrap/socket.hpp>

namespace ringcoll::inline v0::bootstrap {

using Digest = std::array<std::byte, 32>;

/// 256 bits that only the ranks of a job know; wiped at the end of its life. Never printed.
struct Key {
  Digest bytes = {};

  Key() = default;
  explicit Key(const Digest& digest) : bytes(digest) {}
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

namespace detail {

inline unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
inline const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

[[noreturn]] inline void throw_crypto(const char* what) {
  throw Error(Errc::system_error, std::string("libcrypto failed at ") + what);
}

}  // namespace detail

inline void fill_random(std::span<std::byte> out) {
  if (::RAND_bytes(detail::raw(out.data()), static_cast<int>(out.size())) != 1) detail::throw_crypto("RAND_bytes");
}

inline std::uint64_t random_number() {
  std::byte bytes[8];
  fill_random(bytes);
  return Reader(bytes, "").number(8);
}

inline Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data) {
  Digest result;
  unsigned int bytes = 0;
  if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), detail::raw(data.data()), data.size(),
             detail::raw(result.data()), &bytes) == nullptr ||
      bytes != result.size())
    detail::throw_crypto("HMAC-SHA256");
  return result;
}

/// RFC 5869, one block of output. `salt` may be empty, `secret` too: HKDF takes both as what they are.
inline Key hkdf_sha256(std::span<const std::byte> secret, std::span<const std::byte> salt, std::string_view info) {
  static constexpr std::byte zeros[32] = {};
  const Key extracted(hmac_sha256(salt.empty() ? std::span<const std::byte>(zeros) : salt, secret));
  std::string block(info);
  block += '\1';
  return Key(hmac_sha256(extracted.bytes, as_bytes(block)));
}

/// The time it takes does not depend on where they differ.
inline bool equal_digests(std::span<const std::byte, 32> a, std::span<const std::byte, 32> b) {
  return ::CRYPTO_memcmp(a.data(), b.data(), 32) == 0;
}

inline Key random_key() {
  Key key;
  fill_random(key.bytes);
  return key;
}

/// What a job's connections are authenticated with, and where it came from (for people: "secret-file", "none").
struct Secret {
  Bytes bytes;  ///< 32 … 64; empty: there is none, and nothing listens beyond this host
  const char* source = "none";

  explicit operator bool() const { return !bytes.empty(); }

  /// The key of one job: jobs that share a secret still cannot talk to each other by mistake.
  Key job_key(std::string_view job) const { return hkdf_sha256(bytes, {}, "ringcoll v1/" + std::string(job)); }
};

namespace detail {

/// `text` is 32 to 64 bytes, or twice as many hex digits; `from` names it in the error, which never quotes it.
inline Bytes parse_secret(std::string_view text, const std::string& from) {
  // A line of text loses its end, random bytes lose nothing.
  std::string_view line = text;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  bool readable = true;
  for (const char c : line) readable &= c >= ' ' && c <= '~';
  if (readable) text = line;
  if (text.size() >= 64 && text.size() <= 128) {
    if (Bytes bytes = from_hex(text); !bytes.empty()) return bytes;
  }
  if (text.size() < 32 || text.size() > 64)
    throw Error(Errc::invalid_argument, from + " has " + std::to_string(text.size()) +
                                            " characters; a secret is 32 to 64 bytes, or 64 to 128 hex digits, as "
                                            "'openssl rand -hex 32' prints");
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

inline Bytes read_secret_file(const std::string& path) {
  const std::string from = "RINGCOLL_SECRET_FILE=" + printable(path);
  const ringcoll::detail::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) throw Error(Errc::invalid_argument, from + " cannot be opened: " + system_text(errno));
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw_system(from);
  if (!S_ISREG(status.st_mode)) throw Error(Errc::invalid_argument, from + " is not a regular file");
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    throw Error(Errc::invalid_argument, from + " belongs to user " + std::to_string(status.st_uid) +
                                            ": it must be ours (user " + std::to_string(::geteuid()) + ") or root's");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    throw Error(Errc::invalid_argument, from + " can be reached by other users: chmod 600 it");
  char text[130];
  const auto bytes = ::read(file.get(), text, sizeof text);
  if (bytes < 0) throw_system(from);
  Bytes secret = parse_secret({text, static_cast<std::size_t>(bytes)}, from);
  OPENSSL_cleanse(text, sizeof text);
  return secret;
}

}  // namespace detail

/// The secret of this job: the caller's own, else RINGCOLL_SECRET_FILE, else RINGCOLL_SECRET, else none.
/// `variable(name)` is getenv or stands in for it.
template <class Variable>
Secret find_secret(std::string_view own, const Variable& variable) {
  if (!own.empty()) return {detail::parse_secret(own, "the secret given to connect()"), "api"};
  if (const char* path = variable("RINGCOLL_SECRET_FILE"); path != nullptr && *path != 0)
    return {detail::read_secret_file(path), "secret-file"};
  if (const char* text = variable("RINGCOLL_SECRET"); text != nullptr && *text != 0)
    return {detail::parse_secret(text, "RINGCOLL_SECRET"), "environment"};
  return {};
}

}  // namespace ringcoll::inline v0::bootstrap
