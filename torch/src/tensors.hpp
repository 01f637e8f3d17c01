// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include "collectives.hpp"

// Tensors as ringcoll sees them: elements one behind the other. A `name` is what errors call the argument.

namespace ringcoll_torch {

/// Throws c10::DistBackendError(what).
[[noreturn]] void throw_invalid(const std::string& call, const std::string& what);

/// Refuses tensors that this backend cannot reach: not on the CPU, sparse, or without memory of their own.
void check_tensor(const std::string& call, const std::string& name, const at::Tensor& tensor);
/// ... and tensors of another type than `like`.
void check_type(const std::string& call, const std::string& name, const at::Tensor& tensor, const at::Tensor& like);
/// A list of exactly one tensor, which is how c10d passes most arguments.
const at::Tensor& only_one(const std::string& call, const std::string& name, const std::vector<at::Tensor>& tensors);

/// A complex number is two elements; a type that ringcoll does not know is moved as bytes.
Elements elements_of(const at::Tensor& contiguous);
/// How many elements of elements_of() one of the tensor's is.
std::size_t per_number(const at::Tensor& tensor);

/// A contiguous tensor that has or gets the elements of another: that tensor itself if it is contiguous.
struct Dense {
  explicit Dense(const at::Tensor& original, bool with_contents = true);
  /// To the original.
  void write_back() const;

  at::Tensor tensor, original;
};

/// Several tensors as one: if they already lie one behind the other in memory, without copies.
class Packed {
 public:
  explicit Packed(std::vector<at::Tensor> parts);

  /// Complete once fill() has copied the parts into it, if that is needed.
  const at::Tensor& flat() const { return flat_; }
  void fill() const;
  /// From flat() to the parts.
  void spill() const;

  /// Elements of each part; empty if all have `size` equal ones.
  std::vector<std::size_t> counts() const;

 private:
  std::vector<at::Tensor> parts_;
  at::Tensor flat_;
  bool copied_ = false;
};

/// `part` itself, or a copy if it shares memory with `whole` elsewhere than at `in_place` (elements from its start; -1:
/// anywhere).
at::Tensor apart(const at::Tensor& part, const at::Tensor& whole, std::int64_t in_place);

/// A reduce op for the elements of a tensor.
struct Combine {
  Combine(const std::string& call, const c10d::ReduceOp& op, const at::Tensor& tensor);

  /// `premul` must outlive the result.
  Reduction with(const ringcoll::premul_sum& premul) const {
    Reduction result = reduction;
    if (result.id == ringcoll::OpId::premul_sum) result.op = &premul;
    return result;
  }

  Reduction reduction;
  double scale = 1;
};

}  // namespace ringcoll_torch
