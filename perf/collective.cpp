// SPDX-License-Identifier: Apache-2.0
#include "collective.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace perf {
namespace {

using enum Collective;

constexpr std::array<CollectiveInfo, 14> table{{
    {allreduce, "allreduce", "all_reduce_perf", true, false, false},
    {reduce_scatter, "reduce_scatter", "reduce_scatter_perf", true, false, true},
    {reduce_scatterv, "reduce_scatterv", "reduce_scatterv_perf", true, false, true},
    {allgather, "allgather", "all_gather_perf", false, false, true},
    {allgatherv, "allgatherv", "all_gatherv_perf", false, false, true},
    {broadcast, "broadcast", "broadcast_perf", false, true, false},
    {reduce, "reduce", "reduce_perf", true, true, false},
    {gather, "gather", "gather_perf", false, true, true},
    {scatter, "scatter", "scatter_perf", false, true, true},
    {alltoall, "alltoall", "alltoall_perf", false, false, true},
    {alltoallv, "alltoallv", "alltoallv_perf", false, false, true},
    {sendrecv, "sendrecv", "sendrecv_perf", false, false, false},
    {hypercube, "hypercube", "hypercube_perf", false, false, true},
    {barrier, "barrier", "barrier_perf", false, false, false},
}};

std::string without_underscores(std::string_view name) {
  std::string plain(name);
  std::erase(plain, '_');
  return plain;
}

}  // namespace

std::span<const CollectiveInfo> collectives() { return table; }

const CollectiveInfo& info(Collective id) {
  return *std::find_if(table.begin(), table.end(), [id](const CollectiveInfo& entry) { return entry.id == id; });
}

std::optional<Collective> parse_collective(std::string_view name) {
  for (const std::string_view suffix : {"_rc", "_mpi", "_perf"})
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  const std::string plain = without_underscores(name);
  for (const CollectiveInfo& entry : table)
    if (without_underscores(entry.name) == plain) return entry.id;
  return std::nullopt;
}

Shape shape_of(Collective id, std::size_t bytes, std::size_t element_bytes, int size) {
  const std::size_t ranks = static_cast<std::size_t>(size);
  const std::size_t elements = bytes / element_bytes;
  const std::size_t granule = 16 / element_bytes;
  const std::size_t part = elements / ranks / granule * granule;
  const std::size_t whole = part * ranks;
  switch (id) {
    case allreduce:
    case broadcast:
    case reduce:
    case sendrecv: return {.count = elements, .send = elements, .receive = elements};
    case reduce_scatter:
    case scatter: return {.count = part, .send = whole, .receive = part, .receive_stride = part};
    case allgather:
    case gather:
    case hypercube: return {.count = part, .send = part, .receive = whole, .send_stride = part};
    case reduce_scatterv:  // the strides of the uneven ones differ by rank, see Buffers
      return {.count = part, .send = whole, .receive = uneven_part(part, size - 1, size)};
    case allgatherv: return {.count = part, .send = uneven_part(part, size - 1, size), .receive = whole};
    case alltoall:
    case alltoallv: return {.count = part, .send = whole, .receive = whole};
    case barrier: return {};
  }
  return {};
}

std::size_t uneven_part(std::size_t count, int k, int size) {
  // Parts k and size-1-k differ from count by the same amount, up and down, so that all of them make size * count.
  const auto half = static_cast<long long>(count / 2);
  const long long more = half * (2LL * k - (size - 1)) / size;
  return static_cast<std::size_t>(static_cast<long long>(count) + more);
}

std::vector<std::size_t> uneven_parts(Collective id, std::size_t count, int rank, int size) {
  std::vector<std::size_t> parts(static_cast<std::size_t>(size));
  // Between ranks i and j go as many elements in both directions, and every rank sends and receives the same total.
  for (int peer = 0; peer < size; ++peer)
    parts[static_cast<std::size_t>(peer)] = uneven_part(count, id == alltoallv ? (rank + peer) % size : peer, size);
  return parts;
}

double algorithm_bytes(Collective id, std::size_t count, std::size_t element_bytes, int size) {
  const double bytes = static_cast<double>(count) * static_cast<double>(element_bytes);
  if (id == hypercube) return bytes * (size - 1);
  return info(id).splits ? bytes * size : bytes;
}

double bus_factor(Collective id, int size) {
  const double others = static_cast<double>(size - 1) / size;
  if (id == allreduce) return 2 * others;
  if (id == hypercube) return 1;
  return info(id).splits ? others : 1;
}

}  // namespace perf
