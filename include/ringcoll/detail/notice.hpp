// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <ringcoll/detail/bounds.hpp>
#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::detail {

/// A rank's last words to a peer: why it is done, as bytes of fixed size.
struct Notice {
  static constexpr std::int32_t good_order = -1;
  static constexpr std::size_t longest_text = 400;

  std::int32_t code = good_order;
  std::int32_t rank = Error::nobody;
  std::uint32_t text_bytes = 0;
  char text[longest_text] = {};

  /// Null: in good order.
  static Notice of(const Error* cause) noexcept {
    Notice notice;
    if (cause == nullptr) return notice;
    constexpr std::string_view prefix = "ringcoll: ";  // the peer's Error writes it again
    std::string_view what = cause->what();
    if (what.substr(0, prefix.size()) == prefix) what.remove_prefix(prefix.size());
    notice.code = static_cast<std::int32_t>(cause->code());
    notice.rank = cause->rank();
    notice.text_bytes = static_cast<std::uint32_t>(least(what.size(), longest_text));
    std::memcpy(notice.text, what.data(), notice.text_bytes);
    return notice;
  }

  /// What the peer gave up for; nothing if it left in good order. The peer may have sent any bytes.
  std::optional<Error> cause(int size) const {
    if (code == good_order) return std::nullopt;
    const bool known = code >= 0 && code <= static_cast<std::int32_t>(Errc::system_error);
    std::string what(text, least<std::size_t>(text_bytes, longest_text));
    for (char& c : what)
      if (c < ' ' || c > '~') c = '?';
    return Error(known ? static_cast<Errc>(code) : Errc::protocol_error, what,
                 rank >= 0 && rank < size ? rank : Error::nobody);
  }
};
static_assert(std::is_trivially_copyable_v<Notice>);

}  // namespace ringcoll::inline v0::detail
