// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/detail/ring.hpp>
#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::shm {

/// The memory of one channel between two ranks, which both map: a ring for each direction, and who sleeps.
///
/// It is a memfd: it has no name, so nothing is left behind however the ranks die. Its pages are allocated at once and
/// its size is sealed, so that no access can raise SIGBUS. Side 0 is the pair's lower rank, side 1 the higher.
class ChannelMemory {
 public:
  static constexpr std::size_t largest_ring = 64 << 20;

  ChannelMemory() = default;
  ChannelMemory(ChannelMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), ring_bytes_(other.ring_bytes_) {}
  ChannelMemory& operator=(ChannelMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(ring_bytes_, other.ring_bytes_);
    return *this;
  }
  ~ChannelMemory() {
    if (data_ != nullptr) ::munmap(data_, bytes());
  }

  /// New memory, and the descriptor by which the peer opens it. Throws Error(resource_exhausted).
  static std::pair<ChannelMemory, detail::Fd> create(std::size_t ring_bytes) {
    const std::size_t bytes = bytes_for(ring_bytes);
    detail::Fd fd(::memfd_create("ringcoll", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) throw_exhausted(bytes, errno);
    allocate(fd, bytes);
    if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) throw_exhausted(bytes, errno);
    ChannelMemory memory(fd, ring_bytes);
    for (int side = 0; side < 2; ++side) new (memory.head(side)) Side;
    return {std::move(memory), std::move(fd)};
  }

  /// The memory that a peer made. Throws Error(protocol_error) unless it is what `create` makes.
  static ChannelMemory open(const detail::Fd& fd, std::uint64_t ring_bytes) {
    if (ring_bytes < detail::RingSizes::least || ring_bytes > largest_ring || ring_bytes % page != 0)
      throw Error(Errc::protocol_error, "a ring of " + std::to_string(ring_bytes) + " bytes cannot be");
    const std::size_t bytes = bytes_for(ring_bytes);
    const int sealed = ::fcntl(fd.get(), F_GET_SEALS);
    struct stat status{};
    if (sealed < 0 || (sealed & seals) != seals || (sealed & F_SEAL_WRITE) != 0 || ::fstat(fd.get(), &status) != 0 ||
        status.st_size != static_cast<off_t>(bytes))
      throw Error(Errc::protocol_error, "what it passed is not sealed memory of " + std::to_string(bytes) + " bytes");
    allocate(fd, bytes);  // has been done; but a page that is missing would raise SIGBUS here, not there
    return ChannelMemory(fd, ring_bytes);
  }

  explicit operator bool() const { return data_ != nullptr; }
  std::size_t ring_bytes() const { return ring_bytes_; }
  std::size_t bytes() const { return bytes_for(ring_bytes_); }

  /// The ring on which a side sends.
  detail::RingMemory from(int side) const {
    return {&head(side)->ring, data_ + page + static_cast<std::size_t>(side) * ring_bytes_, ring_bytes_};
  }
  /// Not zero while a side sleeps.
  std::atomic<std::uint32_t>& sleeping(int side) const { return head(side)->sleeping; }

 private:
  /// What stands at the beginning, for each side.
  struct Side {
    detail::RingShared ring;
    alignas(detail::cache_line) std::atomic<std::uint32_t> sleeping{0};
  };
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);
  static constexpr std::size_t page = 4096;
  static_assert(2 * sizeof(Side) <= page);
  static constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

  ChannelMemory(const detail::Fd& fd, std::size_t ring_bytes) : ring_bytes_(ring_bytes) {
    void* const data =
        ::mmap(nullptr, bytes_for(ring_bytes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (data == MAP_FAILED) throw_exhausted(bytes_for(ring_bytes), errno);
    data_ = static_cast<std::byte*>(data);
  }

  static constexpr std::size_t bytes_for(std::size_t ring_bytes) { return page + 2 * ring_bytes; }
  Side* head(int side) const { return reinterpret_cast<Side*>(data_) + side; }

  static void allocate(const detail::Fd& fd, std::size_t bytes) {
    int failed;
    do {
      failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
    } while (failed == EINTR);
    if (failed != 0) throw_exhausted(bytes, failed);
  }
  [[noreturn]] static void throw_exhausted(std::size_t bytes, int code) {
    const bool files = code == EMFILE || code == ENFILE;
    throw Error(
        Errc::resource_exhausted,
        "cannot get " + std::to_string(bytes) + " bytes of shared memory for a link: " + std::strerror(code) +
            (files ? "; raise the limit of open files (ulimit -n)"
                   : "; the memory of the machine, or of this job's control group, is used up: raise the limit, "
                     "run fewer ranks a node, or use tcp instead of shm"));
  }

  std::byte* data_ = nullptr;
  std::size_t ring_bytes_ = 0;
};

}  // namespace ringcoll::inline v0::shm
