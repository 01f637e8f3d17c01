// SPDX-License-Identifier: Apache-2.0
// Bytes that an authenticated but broken peer sends on a TCP connection, in pieces of any size.
#if RINGCOLL_WITH_TCP
#include <ringcoll/transports/tcp/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

using namespace ringcoll;

namespace {

constexpr std::size_t frame_bytes = 300;

void take_frames(tcp::ReceiveBuffer& buffer) {
  while (const tcp::FrameHead* head = buffer.frame()) {
    std::uint64_t sum = head->header.position;
    if (head->kind == tcp::FrameHead::message && head->bytes > frame_bytes) std::abort();
    for (std::uint32_t i = 0; i < head->bytes; ++i) sum += static_cast<std::uint64_t>(buffer.payload()[i]);
    [[maybe_unused]] const volatile std::uint64_t keeps_the_reads = sum;
    if (head->kind == tcp::FrameHead::notice) {
      detail::Notice notice;
      std::memcpy(&notice, buffer.payload(), sizeof notice);
      const auto cause = notice.cause(8);
      if (cause && cause->rank() >= 8) std::abort();
      return;
    }
    buffer.pop();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  tcp::ReceiveBuffer buffer(frame_bytes);
  try {
    while (bytes > 0) {
      const auto room = buffer.room(/*in_use=*/data[0] % 8 == 0);
      const std::size_t piece = std::min({bytes, room.size(), std::size_t{data[0]} * 4 + 1});
      if (piece == 0) break;  // full, as it is in use
      std::memcpy(room.data(), data, piece);
      buffer.received(piece);
      data += piece;
      bytes -= piece;
      if (piece % 2 == 0) buffer.find_notice();
      take_frames(buffer);
    }
  } catch (const Error& error) {
    if (error.code() != Errc::protocol_error) std::abort();
  }
  return 0;
}
#else
extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, decltype(sizeof 0)) { return 0; }
#endif
