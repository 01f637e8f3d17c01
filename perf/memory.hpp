// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace perf {

/// Page-aligned memory that is present from the start, so that no timed call meets a page fault.
class Memory {
 public:
  explicit Memory(std::size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_;
  std::size_t size_;
};

/// Before and after what a checked call may write stand this many bytes that it must leave alone.
inline constexpr std::size_t guard_bytes = 4096;

/// Fills memory with bytes that no sound call writes by chance: each depends on its address.
void paint(std::span<std::byte> memory);
/// How many bytes are no longer as paint left them.
std::size_t unpainted(std::span<const std::byte> memory);

/// A rank's two buffers; in place, a call uses the second alone.
class Buffers {
 public:
  /// `bytes`: the largest call; `slack`: by how much --unalign may move it.
  Buffers(std::size_t bytes, std::size_t slack)
      : capacity_(bytes), send_(bytes + slack + 2 * guard_bytes), receive_(bytes + slack + 2 * guard_bytes) {}

  std::size_t capacity() const { return capacity_; }
  std::byte* send() const { return send_.data() + guard_bytes; }
  std::byte* receive() const { return receive_.data() + guard_bytes; }
  std::size_t bytes() const { return send_.size() + receive_.size(); }

  /// Writes to each cache line of what is sent, and reads each of what was received, as an application would.
  void touch(std::size_t offset, std::size_t bytes) const;

 private:
  std::size_t capacity_;
  Memory send_, receive_;
};

}  // namespace perf
