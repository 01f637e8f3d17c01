// SPDX-License-Identifier: Apache-2.0
#include "collectives.hpp"

#include <vector>

#include <ringcoll/barrier.hpp>
#include <ringcoll/detail/request.hpp>
#include <ringcoll/detail/requests.hpp>

namespace ringcoll_torch {
namespace {

using ringcoll::Collective, ringcoll::Communicator, ringcoll::Options;
using ringcoll::detail::Layout, ringcoll::detail::Request;

Request moving(Collective collective, const Elements& what) {
  return {.collective = collective,
          .type = what.type,
          .element_bytes = what.element_bytes,
          // Where nothing is combined the kernel only copies; it is told the length in units of its own.
          .kernel =
              [](const void* bytes, const ringcoll::detail::Fold& fold) {
                ringcoll::detail::copy(fold.left, fold.keep, fold.send,
                                       fold.count * *static_cast<const std::size_t*>(bytes));
              },
          .op = &what.element_bytes};
}

Request reducing(Collective collective, const Elements& what, const Reduction& reduction) {
  Request request = moving(collective, what);
  request.kernel = reduction.kernel;
  request.op = reduction.op;
  request.op_id = reduction.id;
  request.reduces = true;
  return request;
}

/// All parts of a buffer. `offsets` is filled in if they differ, and must live as long as the call.
Layout parts(Collective collective, const char* name, const Elements& whole, Counts counts, int size,
             std::vector<std::size_t>& offsets) {
  if (counts.empty())
    return ringcoll::detail::equal_parts(whole.data, whole.count / static_cast<std::size_t>(size), size);
  offsets = ringcoll::detail::offsets_of(collective, name, counts, size);
  ringcoll::detail::check_total(collective, name, offsets.back(), "the buffer", whole.count);
  return {.base = ringcoll::detail::bytes_of(whole.data), .count = whole.count, .offsets = offsets.data()};
}

}  // namespace

void allreduce(const Communicator& comm, const Elements& inout, const Reduction& reduction, const Options& options) {
  Request request = reducing(Collective::allreduce, inout, reduction);
  request.count = inout.count;
  request.bytes = inout.bytes();
  request.in = request.out = {.base = ringcoll::detail::bytes_of(inout.data), .count = inout.count};
  run(comm, request, options);
}

void reduce(const Communicator& comm, const Elements& inout, int root, const Reduction& reduction,
            const Options& options) {
  ringcoll::detail::check_root(Collective::reduce, root, comm.size());
  Request request = reducing(Collective::reduce, inout, reduction);
  request.root = root;
  request.count = inout.count;
  request.bytes = inout.bytes();
  request.in = request.out = ringcoll::detail::one_chunk(inout.data, inout.count);
  run(comm, request, options);
}

void reduce_scatter(const Communicator& comm, const Elements& in, const Elements& out, Counts counts,
                    const Reduction& reduction, const Options& options) {
  std::vector<std::size_t> offsets;
  Request request = reducing(Collective::reduce_scatter, in, reduction);
  request.count = in.count;
  request.bytes = in.bytes();
  request.in = parts(request.collective, "counts", in, counts, comm.size(), offsets);
  request.out = ringcoll::detail::only_part(out.data, request.in, comm.rank());
  run(comm, request, options);
}

void broadcast(const Communicator& comm, const Elements& data, int root, const Options& options) {
  ringcoll::detail::check_root(Collective::broadcast, root, comm.size());
  Request request = moving(Collective::broadcast, data);
  request.root = root;
  request.count = data.count;
  request.bytes = data.bytes();
  request.in = request.out = ringcoll::detail::one_chunk(data.data, data.count);
  run(comm, request, options);
}

void allgather(const Communicator& comm, const Elements& in, const Elements& out, Counts counts,
               const Options& options) {
  std::vector<std::size_t> offsets;
  Request request = moving(Collective::allgather, in);
  request.count = out.count;
  request.bytes = out.bytes();
  request.out = parts(request.collective, "counts", out, counts, comm.size(), offsets);
  request.in = ringcoll::detail::only_part(in.data, request.out, comm.rank());
  run(comm, request, options);
}

void gather(const Communicator& comm, const Elements& in, const Elements& out, int root, const Options& options) {
  ringcoll::detail::check_root(Collective::gather, root, comm.size());
  Request request = moving(Collective::gather, in);
  request.root = root;
  request.count = ringcoll::detail::whole_of(request.collective, in.count, comm.size());
  request.bytes = request.count * in.element_bytes;
  request.out = ringcoll::detail::equal_parts(out.data, in.count, comm.size());
  request.in = ringcoll::detail::only_part(in.data, request.out, comm.rank());
  run(comm, request, options);
}

void scatter(const Communicator& comm, const Elements& in, const Elements& out, int root, const Options& options) {
  ringcoll::detail::check_root(Collective::scatter, root, comm.size());
  Request request = moving(Collective::scatter, out);
  request.root = root;
  request.count = ringcoll::detail::whole_of(request.collective, out.count, comm.size());
  request.bytes = request.count * out.element_bytes;
  request.in = ringcoll::detail::equal_parts(in.data, out.count, comm.size());
  request.out = ringcoll::detail::only_part(out.data, request.in, comm.rank());
  run(comm, request, options);
}

void alltoall(const Communicator& comm, const Elements& in, Counts in_counts, const Elements& out, Counts out_counts,
              const Options& options) {
  std::vector<std::size_t> in_offsets, out_offsets;
  Request request = moving(Collective::alltoall, in);
  request.in = parts(request.collective, "in_counts", in, in_counts, comm.size(), in_offsets);
  request.out = parts(request.collective, "out_counts", out, out_counts, comm.size(), out_offsets);
  run(comm, request, options);
}

void barrier(const Communicator& comm, const Options& options) { ringcoll::barrier(comm, options); }

}  // namespace ringcoll_torch
