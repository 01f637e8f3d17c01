// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <ringcoll/allreduce.hpp>
#include <ringcoll/barrier.hpp>
#include <ringcoll/broadcast.hpp>
#include <ringcoll/gather.hpp>
#include <ringcoll/reduce.hpp>
#include <ringcoll/split.hpp>

namespace perf {
World::World(ringcoll::Communicator all, int color)
    : all_(std::move(all)), group_(max(color) == 0 ? all_ : all_.split(color, all_.rank())), color_(color) {}

void World::barrier() { ringcoll::barrier(all_); }

double World::max(double value) {
  ringcoll::allreduce(all_, std::span(&value, 1), ringcoll::max{});
  return value;
}

double World::group_max(double value) {
  ringcoll::allreduce(group_, std::span(&value, 1), ringcoll::max{});
  return value;
}

double World::average(double value, Average how) {
  const std::span<double> one(&value, 1);
  switch (how) {
    case Average::rank0: ringcoll::broadcast(all_, one, 0); break;
    case Average::mean:
      ringcoll::allreduce(all_, one, ringcoll::sum{});
      value /= size();
      break;
    case Average::min: ringcoll::allreduce(all_, one, ringcoll::min{}); break;
    case Average::max: ringcoll::allreduce(all_, one, ringcoll::max{}); break;
  }
  return value;
}

std::uint64_t World::sum(std::uint64_t value) {
  ringcoll::allreduce(all_, std::span(&value, 1), ringcoll::sum{});
  return value;
}

void World::max_at_rank0(std::vector<double>& values) { ringcoll::reduce(all_, values, values, 0, ringcoll::max{}); }

long World::from_rank0(long value) {
  ringcoll::broadcast(all_, std::span(&value, 1), 0);
  return value;
}

std::vector<double> World::at_rank0(double value) {
  std::vector<double> values(rank() == 0 ? static_cast<std::size_t>(size()) : 0);
  ringcoll::gather(all_, std::span<const double>(&value, 1), values, 0);
  return values;
}

std::vector<std::string> World::at_rank0(const std::string& text) {
  const std::size_t longest = static_cast<std::size_t>(max(static_cast<double>(text.size())));
  std::vector<char> own(longest + 1), all(rank() == 0 ? own.size() * static_cast<std::size_t>(size()) : 0);
  std::copy(text.begin(), text.end(), own.begin());
  ringcoll::gather(all_, own, all, 0);
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < all.size(); at += own.size()) texts.emplace_back(all.data() + at);
  return texts;
}

}  // namespace perf
