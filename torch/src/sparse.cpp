// SPDX-License-Identifier: Apache-2.0
#include "sparse.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include <ATen/ATen.h>

#include "collectives.hpp"
#include "tensors.hpp"

namespace ringcoll_torch {

void sum_sparse(const ringcoll::Communicator& comm, const at::Tensor& tensor, const ringcoll::Options& options) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const auto size = static_cast<std::size_t>(comm.size());
  const at::Tensor own = tensor.coalesce();
  const std::int64_t sparse_dims = own.sparse_dim();

  // What ranks must agree on, and how much each has.
  std::vector<std::int64_t> shape = {own._nnz(), sparse_dims};
  shape.insert(shape.end(), own.sizes().begin(), own.sizes().end());
  std::vector<std::int64_t> shapes(shape.size() * size);
  const auto as_elements = [](std::vector<std::int64_t>& numbers) {
    return Elements{numbers.data(), numbers.size(), ringcoll::DataType::int64, sizeof(std::int64_t)};
  };
  allgather(comm, as_elements(shape), as_elements(shapes), {}, options);
  std::vector<std::size_t> index_counts, value_counts;
  const at::Tensor values = own.values().contiguous(), indices = own.indices().t().contiguous();  // one row a non-zero
  const auto per_value = static_cast<std::size_t>(
      std::accumulate(values.sizes().begin() + 1, values.sizes().end(), std::int64_t{1}, std::multiplies<>()));
  std::int64_t total = 0;
  for (std::size_t rank = 0; rank < size; ++rank) {
    const auto* const theirs = shapes.data() + rank * shape.size();
    if (!std::equal(shape.begin() + 1, shape.end(), theirs + 1))
      throw_invalid("all_reduce of a sparse tensor",
                    "rank " + std::to_string(rank) + " has a tensor of another shape than rank " +
                        std::to_string(comm.rank()) + ", or with other sparse dimensions");
    total += theirs[0];
    index_counts.push_back(static_cast<std::size_t>(theirs[0] * sparse_dims));
    value_counts.push_back(static_cast<std::size_t>(theirs[0]) * per_value * per_number(values));
  }

  std::vector<std::int64_t> value_shape = values.sizes().vec();
  value_shape[0] = total;
  at::Tensor all_indices = at::empty({total, sparse_dims}, indices.options());
  at::Tensor all_values = at::empty(value_shape, values.options());
  allgather(comm, elements_of(indices), elements_of(all_indices), index_counts, options);
  allgather(comm, elements_of(values), elements_of(all_values), value_counts, options);
  tensor.copy_(at::sparse_coo_tensor(all_indices.t(), all_values, own.sizes(), own.options()).coalesce());
}

}  // namespace ringcoll_torch
