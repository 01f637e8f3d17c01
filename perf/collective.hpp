// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

// What nccl-tests says about each collective: its names, how many elements go in and come out for a given size, and how
// a time becomes a bandwidth. See docs/perf.md.

namespace perf {

enum class Collective {
  allreduce,
  reduce_scatter,
  reduce_scatterv,
  allgather,
  allgatherv,
  broadcast,
  reduce,
  gather,
  scatter,
  alltoall,
  alltoallv,
  sendrecv,
  hypercube,
  barrier,
};

struct CollectiveInfo {
  Collective id;
  std::string_view name;          ///< as ringcoll spells it
  std::string_view program_name;  ///< as nccl-tests calls the program
  bool reduces;                   ///< has an op
  bool has_root;
  bool splits;  ///< cuts the buffer into one part a rank
};

std::span<const CollectiveInfo> collectives();
const CollectiveInfo& info(Collective id);

/// Accepts the names of ringcoll and nccl-tests, and nccl-tests' program names: allreduce, all_reduce, all_reduce_perf.
std::optional<Collective> parse_collective(std::string_view name);

/// Element counts of one call.
struct Shape {
  std::size_t count = 0;        ///< the parameter of the call, and the table's second column
  std::size_t send = 0;         ///< elements in the input, of the rank that has the largest
  std::size_t receive = 0;      ///< elements in the output, of the rank that has the largest
  std::size_t send_stride = 0;  ///< in place, rank r's input starts r times this into the buffer
  std::size_t receive_stride = 0;
};

/// Like nccl-tests, parts are whole multiples of 16 bytes; a size too small for that gives parts of no elements.
Shape shape_of(Collective id, std::size_t bytes, std::size_t element_bytes, int size);

/// How the uneven collectives (…v) divide size * count elements: part k is between a half and one and a half counts.
std::size_t uneven_part(std::size_t count, int k, int size);
/// All parts, as the calls take them. For alltoallv, what `rank` sends to and receives from each rank.
std::vector<std::size_t> uneven_parts(Collective id, std::size_t count, int rank, int size);

/// Bytes per second of the call, and of the wire at best (see docs/perf.md).
double algorithm_bytes(Collective id, std::size_t count, std::size_t element_bytes, int size);
double bus_factor(Collective id, int size);

}  // namespace perf
