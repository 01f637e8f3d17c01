// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <ringcoll/communicator.hpp>

namespace ringcoll_torch {

/// Every rank's non-zeros come together, and are added up where they meet: `tensor` becomes the sum of all ranks'.
void sum_sparse(const ringcoll::Communicator& comm, const at::Tensor& tensor, const ringcoll::Options& options);

}  // namespace ringcoll_torch
