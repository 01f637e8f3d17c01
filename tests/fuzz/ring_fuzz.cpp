// SPDX-License-Identifier: Apache-2.0
// One end of a shared-memory ring is ours; the other writes anything anywhere, at any time. Ours may throw
// Error(protocol_error), and must never touch a byte outside the ring (AddressSanitizer sees to that).
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include <ringcoll/detail/ring.hpp>

using namespace ringcoll;
using namespace ringcoll::detail;

namespace {

constexpr std::size_t ring_bytes = 4096, frame_bytes = 500;

/// Takes numbers from the input; zeros when it has ended.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t bytes) : data_(data, bytes) {}
  explicit operator bool() const { return !data_.empty(); }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t taken = bytes < data_.size() ? bytes : data_.size();
    std::memcpy(&value, data_.data(), taken);
    data_ = data_.subspan(taken);
    return value;
  }

 private:
  std::span<const std::uint8_t> data_;
};

struct Arena {
  struct alignas(cache_line) Line {
    std::byte bytes[cache_line] = {};
  };
  std::unique_ptr<Line[]> lines = std::make_unique<Line[]>(ring_bytes / cache_line);
  RingShared shared;
  RingMemory ring{&shared, lines[0].bytes, ring_bytes};

  /// A word of the ring, as its flags are: the first of a line.
  std::atomic_ref<std::uint64_t> word(std::uint64_t at) {
    return RingFrame::flag(ring.data + at % (ring_bytes / cache_line) * cache_line);
  }
};

/// Values that are nearly right are more interesting than noise.
std::uint64_t flag(Input& input) {
  switch (input.number(1) % 5) {
    case 0: return 0;
    case 1: return RingFrame::wrap_mark;
    case 2: return input.number(2) << 1 | 1;
    case 3: return (frame_bytes - 2 + input.number(1) % 4) << 1 | 1;
    default: return input.number(8);
  }
}

void check(bool right) {
  if (!right) std::abort();
}

void receive(Input& input) {
  Arena arena;
  RingReceiver receiver(arena.ring, frame_bytes);
  std::uint64_t sum = 0;
  while (input) {
    switch (input.number(1) % 3) {
      case 0: arena.word(input.number(1)).store(flag(input)); break;
      case 1:
        if (const Slot slot = receiver.peek()) {
          check(slot.bytes <= frame_bytes);
          for (std::size_t i = 0; i < slot.bytes; ++i) sum += static_cast<std::uint64_t>(slot.payload[i]);
          sum += slot.header->position;
        }
        break;
      default:
        if (receiver.peek()) receiver.release();
        check(arena.shared.consumed.load() % cache_line == 0);
    }
  }
  [[maybe_unused]] const volatile std::uint64_t keeps_the_reads = sum;
}

void send(Input& input) {
  Arena arena;
  RingSender sender(arena.ring);
  while (input) {
    switch (input.number(1) % 4) {
      case 0:
        arena.shared.consumed.store(input.number(1) % 2 == 0 ? input.number(8) : input.number(2) * cache_line);
        break;
      case 1: arena.word(input.number(1)).store(flag(input)); break;
      default:
        const std::size_t bytes = input.number(2) % (frame_bytes + 1);
        if (const Slot slot = sender.reserve(bytes)) {
          check(slot.bytes == bytes);
          std::memset(slot.payload, 0xee, slot.bytes);
          slot.header->position = 1;
          sender.publish();
        }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  Input input(data, bytes);
  try {
    input.number(1) % 2 == 0 ? receive(input) : send(input);
  } catch (const Error& error) {
    check(error.code() == Errc::protocol_error);
  }
  return 0;
}
