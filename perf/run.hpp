// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>

#include <ringcoll/allgather.hpp>
#include <ringcoll/allreduce.hpp>
#include <ringcoll/alltoall.hpp>
#include <ringcoll/barrier.hpp>
#include <ringcoll/broadcast.hpp>
#include <ringcoll/gather.hpp>
#include <ringcoll/point_to_point.hpp>
#include <ringcoll/reduce.hpp>
#include <ringcoll/reduce_scatter.hpp>
#include <ringcoll/scatter.hpp>

#include "call.hpp"
#include "exit_code.hpp"

namespace perf {

template <class T>
std::span<const T> input(const Call& call) {
  return {reinterpret_cast<const T*>(call.in), call.in_count};
}
template <class T>
std::span<T> output(const Call& call) {
  return {reinterpret_cast<T*>(call.out), call.out_count};
}

template <class Op>
Op op_of(const Call& call) {
  if constexpr (std::is_same_v<Op, ringcoll::premul_sum>) return {.scale = call.scale};
  else return {};
}

/// What a call does before it is ringcoll's turn.
template <class T>
void prepare(ringcoll::Communicator& comm, const Call& call) {
  const std::size_t bytes = call.in_count * sizeof(T);
  if (bytes == 0) return;
  if (call.copies_first) std::memcpy(call.in, call.out, bytes);
  // ringcoll's broadcast has one buffer; nccl-tests' has two, and so the root copies as NCCL's does.
  const bool copies_at_root = call.collective == Collective::broadcast && call.in != call.out;
  if (copies_at_root && comm.rank() == call.root) std::memcpy(call.out, call.in, bytes);
}

/// An allgather made of pairwise exchanges: in round k, each rank doubles what it has with its peer at distance 2^k.
template <class T>
void run_hypercube(ringcoll::Communicator& comm, const Call& call) {
  const std::span<T> all = output<T>(call);
  const std::size_t part = call.in_count;
  T* const own = all.data() + static_cast<std::size_t>(comm.rank()) * part;
  if (reinterpret_cast<std::byte*>(own) != call.in && part > 0) std::memcpy(own, call.in, part * sizeof(T));
  for (int distance = 1; distance < comm.size(); distance *= 2) {
    const int peer = comm.rank() ^ distance;
    const std::size_t held = static_cast<std::size_t>(distance) * part;
    const std::size_t mine = static_cast<std::size_t>(comm.rank() & ~(distance - 1)) * part;
    const std::size_t theirs = static_cast<std::size_t>(peer & ~(distance - 1)) * part;
    ringcoll::Group group(comm);
    group.send(all.subspan(mine, held), peer);
    group.recv(all.subspan(theirs, held), peer);
    group.wait();
  }
}

template <class T>
void run_moving(ringcoll::Communicator& comm, const Call& call) {
  using enum Collective;
  prepare<T>(comm, call);
  const auto in = input<T>(call);
  const auto out = output<T>(call);
  switch (call.collective) {
    case allgather: return ringcoll::allgather(comm, in, out, call.options);
    case allgatherv: return ringcoll::allgatherv(comm, in, out, call.out_counts, call.options);
    case broadcast: return ringcoll::broadcast(comm, out, call.root, call.options);
    case gather: return ringcoll::gather(comm, in, out, call.root, call.options);
    case scatter: return ringcoll::scatter(comm, in, out, call.root, call.options);
    case alltoall: return ringcoll::alltoall(comm, in, out, call.options);
    case alltoallv: return ringcoll::alltoallv(comm, in, call.in_counts, out, call.out_counts, call.options);
    case barrier: return ringcoll::barrier(comm, call.options);
    case hypercube: return run_hypercube<T>(comm, call);
    case sendrecv: {
      ringcoll::Group group(comm);
      group.send(in, (comm.rank() + 1) % comm.size());
      group.recv(out, (comm.rank() + comm.size() - 1) % comm.size());
      return group.wait();
    }
    default: throw Failure(ExitCode::internal, "a reducing collective without an op");
  }
}

template <class T>
void start_moving(ringcoll::Communicator& comm, const Call& call, std::vector<ringcoll::Work>& works) {
  using enum Collective;
  prepare<T>(comm, call);
  const auto in = input<T>(call);
  const auto out = output<T>(call);
  switch (call.collective) {
    case allgather: works.push_back(ringcoll::start_allgather(comm, in, out, call.options)); break;
    case allgatherv: works.push_back(ringcoll::start_allgatherv(comm, in, out, call.out_counts, call.options)); break;
    case broadcast: works.push_back(ringcoll::start_broadcast(comm, out, call.root, call.options)); break;
    case gather: works.push_back(ringcoll::start_gather(comm, in, out, call.root, call.options)); break;
    case scatter: works.push_back(ringcoll::start_scatter(comm, in, out, call.root, call.options)); break;
    case alltoall: works.push_back(ringcoll::start_alltoall(comm, in, out, call.options)); break;
    case alltoallv:
      works.push_back(ringcoll::start_alltoallv(comm, in, call.in_counts, out, call.out_counts, call.options));
      break;
    case barrier: works.push_back(ringcoll::start_barrier(comm, call.options)); break;
    case sendrecv:
      works.push_back(ringcoll::start_send(comm, in, (comm.rank() + 1) % comm.size(), call.options));
      works.push_back(ringcoll::start_recv(comm, out, (comm.rank() + comm.size() - 1) % comm.size(), call.options));
      break;
    default: run_moving<T>(comm, call); break;  // hypercube: its rounds depend on each other
  }
}

template <class T, class Op>
void run_reducing(ringcoll::Communicator& comm, const Call& call) {
  using enum Collective;
  const auto in = input<T>(call);
  const auto out = output<T>(call);
  const Op op = op_of<Op>(call);
  switch (call.collective) {
    case allreduce: return ringcoll::allreduce(comm, in, out, op, call.options);
    case reduce: return ringcoll::reduce(comm, in, out, call.root, op, call.options);
    case reduce_scatter: return ringcoll::reduce_scatter(comm, in, out, op, call.options);
    case reduce_scatterv: return ringcoll::reduce_scatterv(comm, in, out, call.in_counts, op, call.options);
    default: throw Failure(ExitCode::internal, "an op for a collective that does not reduce");
  }
}

template <class T, class Op>
void start_reducing(ringcoll::Communicator& comm, const Call& call, std::vector<ringcoll::Work>& works) {
  using enum Collective;
  const auto in = input<T>(call);
  const auto out = output<T>(call);
  const Op op = op_of<Op>(call);
  switch (call.collective) {
    case allreduce: works.push_back(ringcoll::start_allreduce(comm, in, out, op, call.options)); break;
    case reduce: works.push_back(ringcoll::start_reduce(comm, in, out, call.root, op, call.options)); break;
    case reduce_scatter: works.push_back(ringcoll::start_reduce_scatter(comm, in, out, op, call.options)); break;
    case reduce_scatterv:
      works.push_back(ringcoll::start_reduce_scatterv(comm, in, out, call.in_counts, op, call.options));
      break;
    default: throw Failure(ExitCode::internal, "an op for a collective that does not reduce");
  }
}

template <class T>
Operation find_operation_of(ringcoll::OpId op) {
  using ringcoll::OpId;
  switch (op) {
    case OpId::absent: return {run_moving<T>, start_moving<T>};
    case OpId::sum: return {run_reducing<T, ringcoll::sum>, start_reducing<T, ringcoll::sum>};
    case OpId::prod: return {run_reducing<T, ringcoll::prod>, start_reducing<T, ringcoll::prod>};
    case OpId::min: return {run_reducing<T, ringcoll::min>, start_reducing<T, ringcoll::min>};
    case OpId::max: return {run_reducing<T, ringcoll::max>, start_reducing<T, ringcoll::max>};
    case OpId::avg: return {run_reducing<T, ringcoll::avg>, start_reducing<T, ringcoll::avg>};
    case OpId::premul_sum: return {run_reducing<T, ringcoll::premul_sum>, start_reducing<T, ringcoll::premul_sum>};
    default: throw Failure(ExitCode::internal, std::string("no call with op ") + name(op));
  }
}

}  // namespace perf
