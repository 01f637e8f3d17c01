// SPDX-License-Identifier: Apache-2.0
#include "tensors.hpp"

#include <algorithm>

#include <ATen/core/LegacyTypeDispatch.h>

namespace ringcoll_torch {
namespace {

using ringcoll::DataType, ringcoll::OpId;

DataType data_type_of(at::ScalarType type) {
  switch (type) {
    case at::kByte: return DataType::uint8;
    case at::kChar: return DataType::int8;
    case at::kShort: return DataType::int16;
    case at::kInt: return DataType::int32;
    case at::kLong: return DataType::int64;
    case at::kUInt16: return DataType::uint16;
    case at::kUInt32: return DataType::uint32;
    case at::kUInt64: return DataType::uint64;
    case at::kHalf: return DataType::float16;
    case at::kBFloat16: return DataType::bfloat16;
    case at::kFloat: return DataType::float32;
    case at::kDouble: return DataType::float64;
    case at::kBool: return DataType::boolean;
    case at::kFloat8_e4m3fn: return DataType::float8_e4m3;
    case at::kFloat8_e5m2: return DataType::float8_e5m2;
    default: return DataType::other;
  }
}

DataType element_type(const at::Tensor& tensor) {
  const at::ScalarType type = tensor.scalar_type();
  return data_type_of(tensor.is_complex() ? c10::toRealValueType(type) : type);
}

const char* name_of(c10d::ReduceOp::RedOpType op) {
  switch (op) {
    case c10d::ReduceOp::SUM: return "SUM";
    case c10d::ReduceOp::AVG: return "AVG";
    case c10d::ReduceOp::PRODUCT: return "PRODUCT";
    case c10d::ReduceOp::MIN: return "MIN";
    case c10d::ReduceOp::MAX: return "MAX";
    case c10d::ReduceOp::BAND: return "BAND";
    case c10d::ReduceOp::BOR: return "BOR";
    case c10d::ReduceOp::BXOR: return "BXOR";
    case c10d::ReduceOp::PREMUL_SUM: return "PREMUL_SUM";
    default: return "UNUSED";
  }
}

OpId id_of(c10d::ReduceOp::RedOpType op) {
  switch (op) {
    case c10d::ReduceOp::SUM: return OpId::sum;
    case c10d::ReduceOp::AVG: return OpId::avg;
    case c10d::ReduceOp::PRODUCT: return OpId::prod;
    case c10d::ReduceOp::MIN: return OpId::min;
    case c10d::ReduceOp::MAX: return OpId::max;
    case c10d::ReduceOp::BAND: return OpId::bit_and;
    case c10d::ReduceOp::BOR: return OpId::bit_or;
    case c10d::ReduceOp::BXOR: return OpId::bit_xor;
    case c10d::ReduceOp::PREMUL_SUM: return OpId::premul_sum;
    default: return OpId::absent;
  }
}

/// Sums of complex numbers are sums of their halves; nothing else is.
bool works_on_halves(OpId id) { return id == OpId::sum || id == OpId::avg || id == OpId::premul_sum; }

double scale_of(const std::string& call, const c10d::ReduceOp& op) {
  const auto* const premul = dynamic_cast<const c10d::PreMulSumSupplement*>(op.supplement_.get());
  if (premul == nullptr) throw_invalid(call, "PREMUL_SUM has no factor");
  return premul->tensor_factor.defined() ? premul->tensor_factor.item<double>() : premul->double_factor;
}

bool lies_dense(const at::Tensor& tensor) { return tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg(); }

/// The backend moves data below autograd, whatever the tensors require.
void assign(const at::Tensor& to, const at::Tensor& from) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  to.copy_(from);
}

}  // namespace

void throw_invalid(const std::string& call, const std::string& what) {
  C10_THROW_ERROR(DistBackendError, "ringcoll: " + call + ": " + what);
}

void check_tensor(const std::string& call, const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) throw_invalid(call, name + " is not defined");
  if (!tensor.device().is_cpu())
    throw_invalid(call, name + " is on " + tensor.device().str() +
                            "; the backend ringcoll moves tensors on the cpu only. Move it with .cpu(), or use "
                            "init_process_group(\"cpu:ringcoll,cuda:nccl\")");
  if (tensor.layout() != at::kStrided)
    throw_invalid(call, name + " is sparse (" + c10::str(tensor.layout()) + "); only all_reduce takes sparse tensors");
}

void check_type(const std::string& call, const std::string& name, const at::Tensor& tensor, const at::Tensor& like) {
  if (tensor.scalar_type() != like.scalar_type())
    throw_invalid(call, name + " has the type " + c10::toString(tensor.scalar_type()) +
                            ", but another tensor of the "
                            "call has " +
                            c10::toString(like.scalar_type()) + "; they must be the same");
}

const at::Tensor& only_one(const std::string& call, const std::string& name, const std::vector<at::Tensor>& tensors) {
  if (tensors.size() != 1)
    throw_invalid(call, name + " holds " + std::to_string(tensors.size()) + " tensors; it must be one");
  return tensors.front();
}

std::size_t per_number(const at::Tensor& tensor) { return tensor.is_complex() ? 2 : 1; }

Elements elements_of(const at::Tensor& contiguous) {
  return {.data = contiguous.numel() > 0 ? contiguous.data_ptr() : nullptr,
          .count = static_cast<std::size_t>(contiguous.numel()) * per_number(contiguous),
          .type = element_type(contiguous),
          .element_bytes = static_cast<std::size_t>(contiguous.element_size()) / per_number(contiguous)};
}

Dense::Dense(const at::Tensor& from, bool with_contents) : tensor(from), original(from) {
  if (lies_dense(from)) return;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  tensor = at::empty(from.sizes(), from.options().memory_format(at::MemoryFormat::Contiguous));
  if (with_contents) tensor.copy_(from);
}

void Dense::write_back() const {
  if (!tensor.is_same(original)) assign(original, tensor);
}

Packed::Packed(std::vector<at::Tensor> parts) : parts_(std::move(parts)) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const at::Tensor& first = parts_.front();
  std::int64_t count = 0;
  for (const at::Tensor& part : parts_) {
    const bool adjacent =
        lies_dense(part) && part.is_alias_of(first) && part.storage_offset() == first.storage_offset() + count;
    copied_ |= !adjacent;
    count += part.numel();
  }
  flat_ = copied_ ? at::empty({count}, first.options().memory_format(at::MemoryFormat::Contiguous))
                  : first.as_strided({count}, {1});
}

void Packed::fill() const {
  if (!copied_) return;
  std::int64_t at = 0;
  for (const at::Tensor& part : parts_) {
    assign(flat_.narrow(0, at, part.numel()).view(part.sizes()), part);
    at += part.numel();
  }
}

void Packed::spill() const {
  if (!copied_) return;
  std::int64_t at = 0;
  for (const at::Tensor& part : parts_) {
    assign(part, flat_.narrow(0, at, part.numel()).view(part.sizes()));
    at += part.numel();
  }
}

std::vector<std::size_t> Packed::counts() const {
  const bool equal = std::all_of(parts_.begin(), parts_.end(),
                                 [&](const at::Tensor& part) { return part.numel() == parts_.front().numel(); });
  std::vector<std::size_t> counts;
  if (equal) return counts;
  for (const at::Tensor& part : parts_) counts.push_back(static_cast<std::size_t>(part.numel()) * per_number(part));
  return counts;
}

at::Tensor apart(const at::Tensor& part, const at::Tensor& whole, std::int64_t in_place) {
  if (part.numel() == 0 || whole.numel() == 0) return part;
  const auto* const a = static_cast<const std::byte*>(part.const_data_ptr());
  const auto* const b = static_cast<const std::byte*>(whole.const_data_ptr());
  const bool overlap = a < b + whole.nbytes() && b < a + part.nbytes();
  if (!overlap || (in_place >= 0 && a == b + in_place * whole.element_size())) return part;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  return part.clone();
}

Combine::Combine(const std::string& call, const c10d::ReduceOp& op, const at::Tensor& tensor) {
  const OpId id = id_of(op.op_);
  const std::string type = c10::toString(tensor.scalar_type());
  if (!tensor.is_complex() || works_on_halves(id)) reduction = find_reduction(element_type(tensor), id);
  if (!reduction)
    throw_invalid(call, std::string("ReduceOp.") + name_of(op.op_) + " is not defined for tensors of type " + type);
  if (id == OpId::premul_sum) scale = scale_of(call, op);
}

}  // namespace ringcoll_torch
