// SPDX-License-Identifier: Apache-2.0
#include "backend.hpp"

#include <algorithm>
#include <future>

#include <ATen/ThreadLocalState.h>
#include <torch/csrc/utils/pybind.h>

#include "sparse.hpp"
#include "store_place.hpp"

namespace ringcoll_torch {
namespace {

using c10::intrusive_ptr, c10d::OpType, c10d::Work;
using ringcoll::Communicator;
using CallOptions = ringcoll::Options;
using Tensors = std::vector<at::Tensor>;
using std::chrono::milliseconds;

/// Before 2.8 c10d did not say whether its caller waits at once.
template <class Opts>
bool is_async(const Opts& opts) {
  if constexpr (requires { opts.asyncOp; }) return opts.asyncOp;
  else return true;
}

/// For people; a timeout says so in the words that PyTorch's own backends use.
std::string text_of(const ringcoll::Error& error, milliseconds patience) {
  constexpr std::string_view prefix = "ringcoll: ";
  const std::string what = error.what();
  if (error.code() != ringcoll::Errc::timeout) return what;
  return "ringcoll: Timed out waiting " + std::to_string(patience.count()) + "ms: " + what.substr(prefix.size());
}

std::exception_ptr exception_of(const ringcoll::Error& error, milliseconds patience) {
  return std::make_exception_ptr(
      c10::DistBackendError({__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)}, text_of(error, patience)));
}

Tensors flat(const std::vector<Tensors>& lists) {
  Tensors all;
  for (const Tensors& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

/// What joins and ends threads must not hold the lock that their Python callbacks need.
class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) released_.emplace();
  }

 private:
  std::optional<pybind11::gil_scoped_release> released_;
};

}  // namespace

RingBackend::RingBackend(const intrusive_ptr<c10d::Store>& store, int rank, int size,
                         intrusive_ptr<RingOptions> options)
    : Backend(rank, size), options_(std::move(options)) {
  const WithoutGil without_gil;
  try {
    StorePlace place(store, rank, size);
    group_ = std::make_shared<Group>(join(place, rank, size, options_->timeout, options_->transport));
  } catch (const ringcoll::Error& error) {
    std::rethrow_exception(exception_of(error, options_->timeout));
  }
}

RingBackend::~RingBackend() { shutdown(); }

// --- Running a call.

Group& RingBackend::group(const std::string& call) const {
  if (!group_) throw_invalid(call, "the group of rank " + std::to_string(rank_) + " has been shut down");
  return *group_;
}

milliseconds RingBackend::patience(milliseconds timeout) const {
  return std::max(timeout == c10d::kUnsetTimeout ? options_->timeout : timeout, milliseconds(1));
}

CallInfo RingBackend::info(OpType type, const char* title, Tensors inputs, Tensors outputs, bool async) const {
  return {.type = type, .title = title, .inputs = std::move(inputs), .outputs = std::move(outputs), .async = async};
}

/// Calls `body(comm, options)` when all calls before it are over: here, if the caller waits anyway and there are none.
template <class Body>
intrusive_ptr<Work> RingBackend::start(CallInfo call, milliseconds timeout, Body body) {
  Group& group = this->group(call.title);
  call.sequence = ++sequence_;
  const bool async = call.async;
  const auto work = c10::make_intrusive<RingWork>(rank_, std::move(call), &group.lane(), group_);
  const milliseconds patience = this->patience(timeout);
  auto carry_out = [&group, work, patience, body = std::move(body)] {
    std::exception_ptr error;
    try {
      body(group.comm(), CallOptions{.deadline = patience});
    } catch (const ringcoll::Error& failure) {
      if (failure.code() != ringcoll::Errc::invalid_argument) group.failed(failure);
      error = exception_of(failure, patience);
    } catch (...) {
      error = std::current_exception();
    }
    work->complete(error);
  };
  if (async || !group.lane().run_now(carry_out))
    group.lane().push([carry_out = std::move(carry_out), state = at::ThreadLocalState()] {
      const at::ThreadLocalStateGuard guard(state);
      carry_out();
    });
  return remember(work);
}

intrusive_ptr<Work> RingBackend::remember(intrusive_ptr<RingWork> work) {
  if (coalescing_) coalesced_.push_back(work);
  return work;
}

// --- Checks.

/// One tensor a rank, all of the type of `like`.
void RingBackend::check_parts(const std::string& call, const std::string& name, const Tensors& parts,
                              const at::Tensor& like) const {
  if (static_cast<int>(parts.size()) != size_)
    throw_invalid(call, name + " has " + std::to_string(parts.size()) + " tensors; it needs one for each of the " +
                            std::to_string(size_) + " ranks");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string part = name + "[" + std::to_string(i) + "]";
    check_tensor(call, part, parts[i]);
    check_type(call, part, parts[i], like);
  }
}

int RingBackend::check_root(const std::string& call, std::int64_t root) const {
  if (root < 0 || root >= size_)
    throw_invalid(call, "root " + std::to_string(root) + " is not a rank of the group; ranks are 0 … " +
                            std::to_string(size_ - 1));
  return static_cast<int>(root);
}

namespace {

void check_length(const std::string& call, const std::string& name, const at::Tensor& tensor, std::int64_t expected,
                  const std::string& why) {
  if (tensor.numel() != expected)
    throw_invalid(call, name + " has " + std::to_string(tensor.numel()) + " elements; it must have " +
                            std::to_string(expected) + ", " + why);
}

/// gather and scatter: every rank knows only its own part, so all of them must be alike.
void check_equal(const std::string& call, const std::string& name, const Tensors& parts, const at::Tensor& like) {
  for (std::size_t i = 0; i < parts.size(); ++i)
    check_length(call, name + "[" + std::to_string(i) + "]", parts[i], like.numel(), "as many as this rank's own part");
}

}  // namespace

// --- Reductions.

intrusive_ptr<Work> RingBackend::allreduce(Tensors& tensors, const c10d::AllreduceOptions& opts) {
  const std::string call = "all_reduce";
  const at::Tensor& tensor = only_one(call, "tensors", tensors);
  if (tensor.is_sparse()) return allreduce_sparse(tensors, opts);
  check_tensor(call, "tensor", tensor);
  return start(info(OpType::ALLREDUCE, "ringcoll:all_reduce", tensors, tensors, is_async(opts)), opts.timeout,
               [dense = Dense(tensor), combine = Combine(call, opts.reduceOp, tensor)](const Communicator& comm,
                                                                                       const CallOptions& options) {
                 const ringcoll::premul_sum premul{combine.scale};
                 ringcoll_torch::allreduce(comm, elements_of(dense.tensor), combine.with(premul), options);
                 dense.write_back();
               });
}

intrusive_ptr<Work> RingBackend::allreduce_sparse(Tensors& tensors, const c10d::AllreduceOptions& opts) {
  const std::string call = "all_reduce of a sparse tensor";
  const at::Tensor& tensor = only_one(call, "tensors", tensors);
  if (!tensor.device().is_cpu() || !tensor.is_sparse())
    throw_invalid(call, "tensor must be a sparse COO tensor on the cpu, and is " + c10::str(tensor.layout()) + " on " +
                            tensor.device().str());
  if (opts.reduceOp.op_ != c10d::ReduceOp::SUM)
    throw_invalid(call, "sparse tensors can only be summed: use ReduceOp.SUM");
  return start(info(OpType::_ALLREDUCE_SPARSE, "ringcoll:sparse_all_reduce", tensors, tensors, is_async(opts)),
               opts.timeout,
               [tensor](const Communicator& comm, const CallOptions& options) { sum_sparse(comm, tensor, options); });
}

intrusive_ptr<Work> RingBackend::allreduce_coalesced(Tensors& tensors, const c10d::AllreduceCoalescedOptions& opts) {
  const std::string call = "all_reduce_coalesced";
  if (tensors.empty()) throw_invalid(call, "tensors is empty");
  std::vector<std::pair<Packed, Combine>> packs;  // neighbours of one type
  for (std::size_t first = 0, i = 0; i < tensors.size(); ++i) {
    check_tensor(call, "tensors[" + std::to_string(i) + "]", tensors[i]);
    const bool last = i + 1 == tensors.size() || tensors[i + 1].scalar_type() != tensors[first].scalar_type();
    if (!last) continue;
    packs.emplace_back(Packed({tensors.begin() + static_cast<std::ptrdiff_t>(first),
                               tensors.begin() + static_cast<std::ptrdiff_t>(i) + 1}),
                       Combine(call, opts.reduceOp, tensors[first]));
    first = i + 1;
  }
  return start(info(OpType::ALLREDUCE_COALESCED, "ringcoll:all_reduce_coalesced", tensors, tensors, is_async(opts)),
               opts.timeout, [packs = std::move(packs)](const Communicator& comm, const CallOptions& options) {
                 for (const auto& [pack, combine] : packs) {
                   const ringcoll::premul_sum premul{combine.scale};
                   pack.fill();
                   ringcoll_torch::allreduce(comm, elements_of(pack.flat()), combine.with(premul), options);
                   pack.spill();
                 }
               });
}

intrusive_ptr<Work> RingBackend::reduce(Tensors& tensors, const c10d::ReduceOptions& opts) {
  const std::string call = "reduce";
  const at::Tensor& tensor = only_one(call, "tensors", tensors);
  check_tensor(call, "tensor", tensor);
  const int root = check_root(call, opts.rootRank);
  return start(info(OpType::REDUCE, "ringcoll:reduce", tensors, tensors, is_async(opts)), opts.timeout,
               [dense = Dense(tensor), combine = Combine(call, opts.reduceOp, tensor), root](
                   const Communicator& comm, const CallOptions& options) {
                 const ringcoll::premul_sum premul{combine.scale};
                 ringcoll_torch::reduce(comm, elements_of(dense.tensor), root, combine.with(premul), options);
                 if (comm.rank() == root) dense.write_back();
               });
}

intrusive_ptr<Work> RingBackend::reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                                const c10d::ReduceScatterOptions& opts) {
  const std::string call = "reduce_scatter";
  const at::Tensor& output = only_one(call, "output", outputs);
  if (inputs.size() != 1) throw_invalid(call, "input_list is not one list");
  check_tensor(call, "output", output);
  check_parts(call, "input_list", inputs[0], output);
  check_length(call, "output", output, inputs[0][static_cast<std::size_t>(rank_)].numel(),
               "as this rank's tensor in input_list");
  return start(info(OpType::REDUCE_SCATTER, "ringcoll:reduce_scatter", inputs[0], outputs, is_async(opts)),
               opts.timeout,
               [in = Packed(inputs[0]), out = Dense(output, false), combine = Combine(call, opts.reduceOp, output)](
                   const Communicator& comm, const CallOptions& options) {
                 const ringcoll::premul_sum premul{combine.scale};
                 in.fill();
                 const at::Tensor whole = apart(in.flat(), out.tensor, -1);
                 ringcoll_torch::reduce_scatter(comm, elements_of(whole), elements_of(out.tensor), in.counts(),
                                                combine.with(premul), options);
                 out.write_back();
               });
}

intrusive_ptr<Work> RingBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                      const c10d::ReduceScatterOptions& opts) {
  Tensors outputs = {output}, inputs = {input};
  return reduce_scatter_tensor_coalesced(outputs, inputs, opts);
}

intrusive_ptr<Work> RingBackend::reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                                 const c10d::ReduceScatterOptions& opts) {
  const std::string call = "reduce_scatter_tensor";
  struct Part {
    Dense in, out;
    Combine combine;
  };
  if (outputs.size() != inputs.size()) throw_invalid(call, "there are not as many outputs as inputs");
  std::vector<Part> parts;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_tensor(call, "output", outputs[i]);
    check_tensor(call, "input", inputs[i]);
    check_type(call, "input", inputs[i], outputs[i]);
    check_length(call, "input", inputs[i], outputs[i].numel() * size_,
                 std::to_string(size_) + " times (the ranks) the output's " + std::to_string(outputs[i].numel()));
    parts.push_back({Dense(inputs[i]), Dense(outputs[i], false), Combine(call, opts.reduceOp, outputs[i])});
  }
  return start(info(outputs.size() == 1 ? OpType::_REDUCE_SCATTER_BASE : OpType::REDUCE_SCATTER_TENSOR_COALESCED,
                    "ringcoll:_reduce_scatter_base", inputs, outputs, is_async(opts)),
               opts.timeout, [parts = std::move(parts)](const Communicator& comm, const CallOptions& options) {
                 for (const Part& part : parts) {
                   const ringcoll::premul_sum premul{part.combine.scale};
                   const at::Tensor& out = part.out.tensor;
                   const at::Tensor in = apart(part.in.tensor, out, -comm.rank() * out.numel());
                   ringcoll_torch::reduce_scatter(comm, elements_of(in), elements_of(out), {},
                                                  part.combine.with(premul), options);
                   part.out.write_back();
                 }
               });
}

// --- Data movers.

intrusive_ptr<Work> RingBackend::broadcast(Tensors& tensors, const c10d::BroadcastOptions& opts) {
  const std::string call = "broadcast";
  const at::Tensor& tensor = only_one(call, "tensors", tensors);
  check_tensor(call, "tensor", tensor);
  const int root = check_root(call, opts.rootRank);
  return start(info(OpType::BROADCAST, "ringcoll:broadcast", tensors, tensors, is_async(opts)), opts.timeout,
               [dense = Dense(tensor, rank_ == root), root](const Communicator& comm, const CallOptions& options) {
                 ringcoll_torch::broadcast(comm, elements_of(dense.tensor), root, options);
                 if (comm.rank() != root) dense.write_back();
               });
}

intrusive_ptr<Work> RingBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                           const c10d::AllgatherOptions& opts) {
  const std::string call = "all_gather";
  const at::Tensor& input = only_one(call, "input", inputs);
  if (outputs.size() != 1) throw_invalid(call, "tensor_list is not one list");
  check_tensor(call, "tensor", input);
  check_parts(call, "tensor_list", outputs[0], input);
  check_length(call, "tensor", input, outputs[0][static_cast<std::size_t>(rank_)].numel(),
               "as this rank's tensor in tensor_list");
  return start(info(OpType::ALLGATHER, "ringcoll:all_gather", inputs, outputs[0], is_async(opts)), opts.timeout,
               [in = Dense(input), out = Packed(outputs[0])](const Communicator& comm, const CallOptions& options) {
                 const at::Tensor part = apart(in.tensor, out.flat(), -1);
                 ringcoll_torch::allgather(comm, elements_of(part), elements_of(out.flat()), out.counts(), options);
                 out.spill();
               });
}

intrusive_ptr<Work> RingBackend::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                 const c10d::AllgatherOptions& opts) {
  Tensors outputs = {output}, inputs = {input};
  return allgather_into_tensor_coalesced(outputs, inputs, opts);
}

intrusive_ptr<Work> RingBackend::allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                                 const c10d::AllgatherOptions& opts) {
  const std::string call = "all_gather_into_tensor";
  if (outputs.size() != inputs.size()) throw_invalid(call, "there are not as many outputs as inputs");
  std::vector<std::pair<Dense, Dense>> parts;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_tensor(call, "output_tensor", outputs[i]);
    check_tensor(call, "input_tensor", inputs[i]);
    check_type(call, "input_tensor", inputs[i], outputs[i]);
    check_length(call, "output_tensor", outputs[i], inputs[i].numel() * size_,
                 std::to_string(size_) + " times (the ranks) the input's " + std::to_string(inputs[i].numel()));
    parts.emplace_back(Dense(inputs[i]), Dense(outputs[i], false));
  }
  return start(info(outputs.size() == 1 ? OpType::_ALLGATHER_BASE : OpType::ALLGATHER_COALESCED,
                    "ringcoll:_all_gather_base", inputs, outputs, is_async(opts)),
               opts.timeout, [parts = std::move(parts)](const Communicator& comm, const CallOptions& options) {
                 for (const auto& [in, out] : parts) {
                   const at::Tensor part = apart(in.tensor, out.tensor, comm.rank() * in.tensor.numel());
                   ringcoll_torch::allgather(comm, elements_of(part), elements_of(out.tensor), {}, options);
                   out.write_back();
                 }
               });
}

intrusive_ptr<Work> RingBackend::allgather_coalesced(std::vector<Tensors>& outputs, Tensors& inputs,
                                                     const c10d::AllgatherOptions& opts) {
  const std::string call = "all_gather_coalesced";
  if (static_cast<int>(outputs.size()) != size_)
    throw_invalid(call, "output_tensor_lists has " + std::to_string(outputs.size()) +
                            " lists; it needs one for each of the " + std::to_string(size_) + " ranks");
  std::vector<std::pair<Dense, Packed>> parts;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_tensor(call, "input_tensors[" + std::to_string(i) + "]", inputs[i]);
    Tensors gathered;
    for (const Tensors& list : outputs) {
      if (list.size() != inputs.size()) throw_invalid(call, "each output list must be as long as input_tensors");
      gathered.push_back(list[i]);
    }
    check_parts(call, "output_tensor_lists[…][" + std::to_string(i) + "]", gathered, inputs[i]);
    check_equal(call, "output_tensor_lists[…][" + std::to_string(i) + "]", gathered, inputs[i]);
    parts.emplace_back(Dense(inputs[i]), Packed(std::move(gathered)));
  }
  return start(
      info(OpType::ALLGATHER_COALESCED, "ringcoll:all_gather_coalesced", inputs, flat(outputs), is_async(opts)),
      opts.timeout, [parts = std::move(parts)](const Communicator& comm, const CallOptions& options) {
        for (const auto& [in, out] : parts) {
          const at::Tensor part = apart(in.tensor, out.flat(), -1);
          ringcoll_torch::allgather(comm, elements_of(part), elements_of(out.flat()), {}, options);
          out.spill();
        }
      });
}

intrusive_ptr<Work> RingBackend::gather(std::vector<Tensors>& outputs, Tensors& inputs,
                                        const c10d::GatherOptions& opts) {
  const std::string call = "gather";
  const at::Tensor& input = only_one(call, "tensor", inputs);
  check_tensor(call, "tensor", input);
  const int root = check_root(call, opts.rootRank);
  std::vector<Packed> out;  // the root's
  if (rank_ == root) {
    if (outputs.size() != 1) throw_invalid(call, "gather_list is not one list");
    check_parts(call, "gather_list", outputs[0], input);
    check_equal(call, "gather_list", outputs[0], input);
    out.emplace_back(outputs[0]);
  } else if (!flat(outputs).empty()) {
    throw_invalid(
        call, "gather_list must be empty on rank " + std::to_string(rank_) + "; the root is " + std::to_string(root));
  }
  return start(info(OpType::GATHER, "ringcoll:gather", inputs, flat(outputs), is_async(opts)), opts.timeout,
               [in = Dense(input), out = std::move(out), root](const Communicator& comm, const CallOptions& options) {
                 if (out.empty()) return ringcoll_torch::gather(comm, elements_of(in.tensor), {}, root, options);
                 const Packed& all = out.front();
                 const at::Tensor part = apart(in.tensor, all.flat(), -1);
                 ringcoll_torch::gather(comm, elements_of(part), elements_of(all.flat()), root, options);
                 all.spill();
               });
}

intrusive_ptr<Work> RingBackend::scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                         const c10d::ScatterOptions& opts) {
  const std::string call = "scatter";
  const at::Tensor& output = only_one(call, "tensor", outputs);
  check_tensor(call, "tensor", output);
  const int root = check_root(call, opts.rootRank);
  std::vector<Packed> in;  // the root's
  if (rank_ == root) {
    if (inputs.size() != 1) throw_invalid(call, "scatter_list is not one list");
    check_parts(call, "scatter_list", inputs[0], output);
    check_equal(call, "scatter_list", inputs[0], output);
    in.emplace_back(inputs[0]);
  } else if (!flat(inputs).empty()) {
    throw_invalid(
        call, "scatter_list must be empty on rank " + std::to_string(rank_) + "; the root is " + std::to_string(root));
  }
  return start(
      info(OpType::SCATTER, "ringcoll:scatter", flat(inputs), outputs, is_async(opts)), opts.timeout,
      [in = std::move(in), out = Dense(output, false), root](const Communicator& comm, const CallOptions& options) {
        Elements whole;
        at::Tensor all;
        if (!in.empty()) {
          in.front().fill();
          all = apart(in.front().flat(), out.tensor, -1);
          whole = elements_of(all);
        }
        ringcoll_torch::scatter(comm, whole, elements_of(out.tensor), root, options);
        out.write_back();
      });
}

namespace {

/// Elements of each rank's part of a tensor that is split along its first dimension; no splits: evenly.
std::vector<std::size_t> counts_of(const std::string& call, const std::string& name, const at::Tensor& tensor,
                                   const std::vector<std::int64_t>& splits, int size) {
  const std::int64_t rows = tensor.dim() == 0 ? 1 : tensor.size(0);
  std::int64_t row = static_cast<std::int64_t>(per_number(tensor));
  for (std::int64_t d = 1; d < tensor.dim(); ++d) row *= tensor.size(d);
  if (splits.empty()) {
    if (rows % size != 0)
      throw_invalid(call, name + " has " + std::to_string(rows) + " rows, which " + std::to_string(size) +
                              " ranks cannot share evenly; pass split sizes");
    return std::vector<std::size_t>(static_cast<std::size_t>(size), static_cast<std::size_t>(rows / size * row));
  }
  if (static_cast<int>(splits.size()) != size)
    throw_invalid(call, name + "'s split sizes are " + std::to_string(splits.size()) +
                            "; there must be one for each of "
                            "the " +
                            std::to_string(size) + " ranks");
  std::vector<std::size_t> counts;
  std::int64_t total = 0;
  for (const std::int64_t split : splits) {
    if (split < 0) throw_invalid(call, name + "'s split size " + std::to_string(split) + " is negative");
    total += split;
    counts.push_back(static_cast<std::size_t>(split * row));
  }
  if (total != rows)
    throw_invalid(call, name + "'s split sizes add up to " + std::to_string(total) + ", but it has " +
                            std::to_string(rows) + " rows");
  return counts;
}

}  // namespace

intrusive_ptr<Work> RingBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                               std::vector<std::int64_t>& output_splits,
                                               std::vector<std::int64_t>& input_splits,
                                               const c10d::AllToAllOptions& opts) {
  const std::string call = "all_to_all_single";
  check_tensor(call, "output", output);
  check_tensor(call, "input", input);
  check_type(call, "input", input, output);
  auto in_counts = counts_of(call, "input", input, input_splits, size_);
  auto out_counts = counts_of(call, "output", output, output_splits, size_);
  const auto self = static_cast<std::size_t>(rank_);
  if (in_counts[self] != out_counts[self])
    throw_invalid(call, "rank " + std::to_string(rank_) + " sends itself " + std::to_string(in_counts[self]) +
                            " elements and expects " + std::to_string(out_counts[self]));
  return start(info(OpType::ALLTOALL_BASE, "ringcoll:all_to_all", {input}, {output}, is_async(opts)), opts.timeout,
               [in = Dense(input), out = Dense(output, false), in_counts, out_counts](const Communicator& comm,
                                                                                      const CallOptions& options) {
                 const at::Tensor whole = apart(in.tensor, out.tensor, -1);
                 ringcoll_torch::alltoall(comm, elements_of(whole), in_counts, elements_of(out.tensor), out_counts,
                                          options);
                 out.write_back();
               });
}

intrusive_ptr<Work> RingBackend::alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& opts) {
  const std::string call = "all_to_all";
  if (outputs.empty() || inputs.empty()) throw_invalid(call, "the lists must hold one tensor for each rank");
  check_parts(call, "input_tensor_list", inputs, inputs[0]);
  check_parts(call, "output_tensor_list", outputs, inputs[0]);
  const auto counts = [](const Tensors& parts) {
    std::vector<std::size_t> result;
    for (const at::Tensor& part : parts) result.push_back(static_cast<std::size_t>(part.numel()) * per_number(part));
    return result;
  };
  const auto self = static_cast<std::size_t>(rank_);
  check_length(call, "output_tensor_list[" + std::to_string(rank_) + "]", outputs[self], inputs[self].numel(),
               "what this rank sends itself");
  return start(info(OpType::ALLTOALL, "ringcoll:all_to_all", inputs, outputs, is_async(opts)), opts.timeout,
               [in = Packed(inputs), out = Packed(outputs), in_counts = counts(inputs), out_counts = counts(outputs)](
                   const Communicator& comm, const CallOptions& options) {
                 in.fill();
                 const at::Tensor whole = apart(in.flat(), out.flat(), -1);
                 ringcoll_torch::alltoall(comm, elements_of(whole), in_counts, elements_of(out.flat()), out_counts,
                                          options);
                 out.spill();
               });
}

intrusive_ptr<Work> RingBackend::barrier(const c10d::BarrierOptions& opts) {
  return start(info(OpType::BARRIER, "ringcoll:barrier", {}, {}, is_async(opts)), opts.timeout,
               [](const Communicator& comm, const CallOptions& options) { ringcoll_torch::barrier(comm, options); });
}

// --- Messages.

intrusive_ptr<Work> RingBackend::send(Tensors& tensors, int to, int tag) {
  const at::Tensor& tensor = only_one("send", "tensors", tensors);
  check_tensor("send", "tensor", tensor);
  Group& group = this->group("send");
  const Dense dense(tensor);
  const milliseconds patience = this->patience(options_->timeout);
  const auto work = c10::make_intrusive<RingWork>(rank_, info(OpType::SEND, "ringcoll:send", tensors, tensors, true),
                                                  nullptr, group_);
  try {
    group.mailbox().send(elements_of(dense.tensor), to, static_cast<std::uint32_t>(tag), patience,
                         [work, dense, patience](const ringcoll::Error* error, int) {
                           work->complete(error ? exception_of(*error, patience) : nullptr);
                         });
  } catch (const ringcoll::Error& error) {
    throw_invalid("send", error.what());
  }
  return remember(work);
}

intrusive_ptr<Work> RingBackend::recv(Tensors& tensors, int from, int tag) {
  if (from < 0) throw_invalid("recv", "source " + std::to_string(from) + " is not a rank of the group");
  return receive("recv", tensors, from, tag);
}

intrusive_ptr<Work> RingBackend::recvAnysource(Tensors& tensors, int tag) {
  return receive("recv from any source", tensors, Mailbox::anybody, tag);
}

intrusive_ptr<Work> RingBackend::receive(const std::string& name, Tensors& tensors, int from, int tag) {
  const at::Tensor& tensor = only_one(name, "tensors", tensors);
  check_tensor(name, "tensor", tensor);
  Group& group = this->group(name);
  const Dense dense(tensor, false);
  const milliseconds patience = this->patience(options_->timeout);
  const bool any = from == Mailbox::anybody;
  const auto work =
      c10::make_intrusive<RingWork>(rank_,
                                    info(any ? OpType::RECVANYSOURCE : OpType::RECV,
                                         any ? "ringcoll:recvAnySource" : "ringcoll:recv", tensors, tensors, true),
                                    nullptr, group_);
  try {
    group.mailbox().receive(elements_of(dense.tensor), from, static_cast<std::uint32_t>(tag), patience,
                            [work, dense, patience](const ringcoll::Error* error, int source) {
                              if (error) return work->complete(exception_of(*error, patience));
                              dense.write_back();
                              work->complete(nullptr, source);
                            });
  } catch (const ringcoll::Error& error) {
    throw_invalid(name, error.what());
  }
  return remember(work);
}

void RingBackend::monitoredBarrier(const c10d::BarrierOptions& opts, bool wait_all_ranks) {
  Group& group = this->group("monitored_barrier");
  const milliseconds patience = this->patience(opts.timeout);
  const Mailbox::Tag here = Mailbox::first_own_tag + 2 * monitored_barriers_++, go_on = here + 1;
  using Outcome = std::shared_ptr<std::promise<std::string>>;  // what went wrong, or nothing
  const auto exchange = [&](bool sends, int peer, Mailbox::Tag tag) {
    const Outcome outcome = std::make_shared<std::promise<std::string>>();
    const auto done = [outcome](const ringcoll::Error* error, int) { outcome->set_value(error ? error->what() : ""); };
    if (sends) group.mailbox().send({}, peer, tag, patience, done);
    else group.mailbox().receive({}, peer, tag, patience, done);
    return outcome->get_future();
  };

  if (rank_ != 0) {
    auto sent = exchange(true, 0, here), answer = exchange(false, 0, go_on);
    for (const std::string& error : {sent.get(), answer.get()})
      if (!error.empty())
        C10_THROW_ERROR(DistBackendError,
                        "[Rank " + std::to_string(rank_) + "]: Rank " + std::to_string(rank_) +
                            " successfully reached monitoredBarrier, but received errors while waiting for send/recv "
                            "from rank 0. Please check rank 0 logs for faulty rank.\n Original exception: " +
                            error);
    return;
  }
  std::vector<std::future<std::string>> arrivals;
  for (int peer = 1; peer < size_; ++peer) arrivals.push_back(exchange(false, peer, here));
  std::vector<std::string> missing;
  std::string first_error;
  for (int peer = 1; peer < size_; ++peer) {
    const std::string error = arrivals[static_cast<std::size_t>(peer - 1)].get();
    if (error.empty()) continue;
    if (missing.empty()) first_error = error;
    missing.push_back(std::to_string(peer));
    if (!wait_all_ranks) break;
  }
  if (!missing.empty())
    C10_THROW_ERROR(DistBackendError, std::string("[Rank 0]: ") + (missing.size() == 1 ? "Rank " : "Ranks ") +
                                          c10::Join(", ", missing) + " failed to pass monitoredBarrier in " +
                                          std::to_string(patience.count()) +
                                          " ms\n Original exception: " + first_error);
  std::vector<std::future<std::string>> answers;
  for (int peer = 1; peer < size_; ++peer) answers.push_back(exchange(true, peer, go_on));
  for (auto& answer : answers)
    if (const std::string error = answer.get(); !error.empty()) throw_invalid("monitored_barrier", error);
}

// --- Several calls as one.

void RingBackend::startCoalescing() {
  if (coalescing_) throw_invalid("coalescing", "it has begun already; calls cannot be coalesced in two levels");
  coalescing_ = true;
}

intrusive_ptr<Work> RingBackend::endCoalescing() {
  if (!coalescing_) throw_invalid("coalescing", "it has not begun");
  coalescing_ = false;
  struct All {
    std::atomic<std::size_t> open;
    std::mutex mutex;
    std::exception_ptr error;
    intrusive_ptr<RingWork> work;
  };
  const auto works = std::exchange(coalesced_, {});
  Tensors outputs;
  for (const auto& work : works)
    for (const at::Tensor& output : work->result()) outputs.push_back(output);
  const auto all = std::make_shared<All>();
  all->open = works.size();
  CallInfo call = info(OpType::COALESCED, "ringcoll:coalesced", {}, std::move(outputs), true);
  call.sequence = sequence_;
  all->work = c10::make_intrusive<RingWork>(rank_, std::move(call), &group("coalescing").lane(), group_);
  const intrusive_ptr<Work> result = all->work;
  if (works.empty()) all->work->complete(nullptr);
  for (const auto& work : works)
    work->future()->addCallback([all](c10::ivalue::Future& future) {
      if (future.hasError()) {
        const std::lock_guard lock(all->mutex);
        all->error = future.exception_ptr();
      }
      if (--all->open == 0) all->work->complete(all->error);
    });
  return result;
}

// --- Groups.

intrusive_ptr<c10d::Backend> RingBackend::split(const intrusive_ptr<c10d::Store>& store, const std::vector<int>& ranks,
                                                const intrusive_ptr<Options>& opts) {
  const auto self = std::find(ranks.begin(), ranks.end(), rank_);
  if (self == ranks.end()) return nullptr;
  return merge(store, opts, static_cast<int>(self - ranks.begin()), static_cast<int>(ranks.size()));
}

intrusive_ptr<c10d::Backend> RingBackend::merge(const intrusive_ptr<c10d::Store>& store,
                                                const intrusive_ptr<Options>& opts, const int& rank, const int& size) {
  auto options = c10::make_intrusive<RingOptions>(opts ? opts->timeout : options_->timeout);
  const auto* const ours = dynamic_cast<const RingOptions*>(opts.get());
  options->transport = ours ? ours->transport : options_->transport;
  if (opts) {
    options->group_name = opts->group_name;
    options->global_ranks_in_group = opts->global_ranks_in_group;
  }
  return c10::make_intrusive<RingBackend>(store->clone(), rank, size, std::move(options));
}

c10d::ErrorType RingBackend::getError() {
  const auto failure = group_ ? group_->failure() : std::nullopt;
  if (!failure) return c10d::ErrorType::SUCCESS;
  if (failure->code() == ringcoll::Errc::timeout) return c10d::ErrorType::TIMEOUT;
  return failure->rank() >= 0 && failure->rank() != rank_ ? c10d::ErrorType::REMOTE_ERROR : c10d::ErrorType::COMM_ERROR;
}

void RingBackend::abort() {
  if (group_) group_->abort();
}

void RingBackend::shutdown() {
  const WithoutGil without_gil;
  if (const std::shared_ptr<Group> group = std::exchange(group_, nullptr)) group->close();
}

}  // namespace ringcoll_torch
