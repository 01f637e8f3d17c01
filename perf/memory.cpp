// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <sys/mman.h>

#include "exit_code.hpp"

namespace perf {
namespace {

constexpr std::size_t paint_period = 1021;

/// The paint from `address` to the end of a period.
std::span<const std::byte> paint_from(const std::byte* address) {
  static const std::array<std::byte, paint_period> colors = [] {
    std::array<std::byte, paint_period> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(0xa5 ^ (i * 37 >> 2));
    return bytes;
  }();
  return std::span(colors).subspan(reinterpret_cast<std::uintptr_t>(address) % paint_period);
}

}  // namespace

Memory::Memory(std::size_t bytes) : size_(bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED)
    throw Failure(ExitCode::internal, "no " + std::to_string(bytes) + " bytes of memory: " + std::strerror(errno) +
                                          "; a smaller -e needs less");
  data_ = static_cast<std::byte*>(memory);
}

Memory::~Memory() { munmap(data_, size_); }

void paint(std::span<std::byte> memory) {
  while (!memory.empty()) {
    const std::span<const std::byte> colors = paint_from(memory.data());
    const std::size_t piece = std::min(colors.size(), memory.size());
    std::memcpy(memory.data(), colors.data(), piece);
    memory = memory.subspan(piece);
  }
}

std::size_t unpainted(std::span<const std::byte> memory) {
  std::size_t count = 0;
  while (!memory.empty()) {
    const std::span<const std::byte> colors = paint_from(memory.data());
    const std::size_t piece = std::min(colors.size(), memory.size());
    if (std::memcmp(memory.data(), colors.data(), piece) != 0)
      for (std::size_t i = 0; i < piece; ++i) count += memory[i] != colors[i] ? 1 : 0;
    memory = memory.subspan(piece);
  }
  return count;
}

void Buffers::touch(std::size_t offset, std::size_t bytes) const {
  constexpr std::size_t line = 64;
  unsigned sum = 0;
  for (std::size_t i = 0; i < bytes; i += line) sum += std::to_integer<unsigned>(receive()[offset + i]);
  // The same value again, so that results do not change; the sum makes the reads necessary.
  for (std::size_t i = 0; i < bytes; i += line) {
    volatile std::byte* const target = send() + offset + i;
    *target = *target;
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

}  // namespace perf
