// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <ringcoll/op.hpp>
#include <ringcoll/transport.hpp>
#include <ringcoll/types.hpp>

namespace ringcoll::inline v0 {

enum class Collective : std::uint8_t {
  allreduce,
  reduce_scatter,
  allgather,
  broadcast,
  reduce,
  gather,
  scatter,
  alltoall,
  barrier,
  point_to_point,
  split,
};

constexpr const char* name(Collective collective) {
  switch (collective) {
    case Collective::allreduce: return "allreduce";
    case Collective::reduce_scatter: return "reduce_scatter";
    case Collective::allgather: return "allgather";
    case Collective::broadcast: return "broadcast";
    case Collective::reduce: return "reduce";
    case Collective::gather: return "gather";
    case Collective::scatter: return "scatter";
    case Collective::alltoall: return "alltoall";
    case Collective::barrier: return "barrier";
    case Collective::point_to_point: return "send/recv";
    case Collective::split: return "split";
  }
  return "an unknown collective";
}

/// What a call is, in 16 bytes that travel in every message: ranks whose calls differ find out before any data is used.
struct Signature {
  Collective collective = Collective::barrier;
  DataType type = DataType::other;
  OpId op = OpId::absent;
  std::uint8_t schedule = 0;     ///< which schedule this rank chose: overrides must agree on all ranks
  std::uint32_t sequence = 0;    ///< the how-manieth call on this communicator (point to point: on this link)
  std::uint64_t count = 0;       ///< elements, as the collective counts them; 0 where ranks know only their own part
  std::uint32_t root = no_root;  ///< 24 bits

  static constexpr std::uint32_t no_root = 0xffffff;
  static constexpr std::uint64_t count_bits = 40;

  /// Packed for Header::signature: two words, every field in its own bits.
  constexpr std::array<std::uint64_t, 2> pack() const {
    return {static_cast<std::uint64_t>(collective) << 56 | static_cast<std::uint64_t>(type) << 48 |
                static_cast<std::uint64_t>(op) << 40 | static_cast<std::uint64_t>(schedule) << 32 | sequence,
            (count & ((std::uint64_t{1} << count_bits) - 1)) << 24 | (root & no_root)};
  }
  template <class Words>  // an array of two, of either kind
  static constexpr Signature unpack(const Words& words) {
    return {.collective = static_cast<Collective>(words[0] >> 56),
            .type = static_cast<DataType>(words[0] >> 48 & 0xff),
            .op = static_cast<OpId>(words[0] >> 40 & 0xff),
            .schedule = static_cast<std::uint8_t>(words[0] >> 32),
            .sequence = static_cast<std::uint32_t>(words[0]),
            .count = words[1] >> 24,
            .root = static_cast<std::uint32_t>(words[1] & no_root)};
  }

  /// "allreduce #7 of 1024 float (sum)".
  std::string describe() const {
    std::string text = name(collective);
    if (sequence != 0) text += " #" + std::to_string(sequence);
    if (collective != Collective::barrier && collective != Collective::split) {
      text += " of ";
      if (count != 0) text += std::to_string(count) + " ";
      text += name(type);
    }
    if (op != OpId::absent) text += std::string(" (") + name(op) + ")";
    if (root != no_root) text += " with root " + std::to_string(root);
    return text;
  }
};

namespace detail {

/// For an Error(mismatch): how two ranks' calls differ.
inline std::string difference(int peer, const Signature& theirs, int rank, const Signature& ours) {
  const std::string them = "rank " + std::to_string(peer), us = "rank " + std::to_string(rank);
  const std::string their_call = theirs.describe(), our_call = ours.describe();
  return "calls do not match: " + (their_call == our_call
                                       ? them + " and " + us + " chose different schedules for " + our_call +
                                             "; RINGCOLL_* settings must be the same on all ranks"
                                       : them + " called " + their_call + ", but " + us + " called " + our_call +
                                             "; all ranks must make the same calls in the same order");
}

}  // namespace detail

}  // namespace ringcoll::inline v0
