// SPDX-License-Identifier: Apache-2.0
#include "peers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include <sched.h>
#include <sys/mman.h>

#include "call.hpp"
#include "exit_code.hpp"
#include "machine.hpp"
#include "memory.hpp"
#include "output.hpp"
#include "watch.hpp"

namespace perf {

class PeersMemory {
  alignas(64) std::atomic<int> arrived_{0};
  std::atomic<int> generation_{0};

 public:
  static constexpr int max_ranks = max_peers_ranks, max_iterations = 4000;

  /// Returns when all ranks have called it. Spins, and lets others run when there are more ranks than cores.
  void barrier(int ranks) {
    const int generation = generation_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == ranks) {
      arrived_.store(0, std::memory_order_relaxed);
      generation_.store(generation + 1, std::memory_order_release);
      return;
    }
    const bool crowded = ranks > cores;
    for (unsigned spins = 0; generation_.load(std::memory_order_acquire) == generation;) {
      if (crowded || ++spins > 20000) sched_yield();
      else pause_cpu();
    }
  }

  std::array<std::uint64_t, max_ranks> wrong{};
  std::array<std::array<double, max_iterations>, max_ranks> durations{};
  const int cores = cpu_count();
  int iterations = 0;  ///< rank 0 writes these two between barriers
  bool stop = false;

 private:
  static void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }
};

PeersMemory* share_peers_memory() {
  void* const memory = mmap(nullptr, sizeof(PeersMemory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Failure(ExitCode::internal, std::string("no shared memory: ") + std::strerror(errno));
  return new (memory) PeersMemory;
}

namespace {

using Clock = std::chrono::steady_clock;
using enum Collective;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct PeersOp {
  Collective collective;
  bool in_place;
  /// As the harness has it: broadcast has no other form than in place.
  std::string name() const {
    return std::string(info(collective).name) + (in_place && collective != broadcast ? "_inplace" : "");
  }
};

constexpr PeersOp peers_ops[] = {{allreduce, false}, {allreduce, true}, {reduce_scatter, false}, {allgather, false},
                                 {broadcast, true},  {alltoall, false}, {barrier, false}};

// Small whole numbers, so that sums are exact in any order.
float value_at(int rank, std::size_t i) {
  return static_cast<float>(static_cast<int>((i + static_cast<std::size_t>(17 * rank)) & 63) + rank);
}
float sum_at(int size, std::size_t i) {
  float sum = 0;
  for (int rank = 0; rank < size; ++rank) sum += value_at(rank, i);
  return sum;
}

/// One rank's part in the rows.
class Peer {
 public:
  Peer(const Config& config, World& world, PeersMemory& shared, std::size_t bytes)
      : config_(&config),
        comm_(&world.group()),
        shared_(&shared),
        rank_(comm_->rank()),
        size_(comm_->size()),
        send_(bytes),
        receive_(bytes) {}

  /// Rank 0 gets the row; empty if there is nothing to measure.
  std::string measure(const PeersOp& op, std::size_t bytes, std::uint64_t& wrong);

 private:
  void fill() const;
  std::uint64_t check() const;
  std::uint64_t checked_run();
  void run() { operation_.run(*comm_, call_); }
  int warm_up(std::size_t bytes);
  void sync() { shared_->barrier(size_); }
  float* send() const { return reinterpret_cast<float*>(send_.data()); }
  float* receive() const { return reinterpret_cast<float*>(receive_.data()); }

  const Config* config_;
  ringcoll::Communicator* comm_;
  PeersMemory* shared_;
  int rank_, size_;
  Memory send_, receive_;
  PeersOp op_{};
  std::size_t count_ = 0, part_ = 0;  ///< elements of the whole buffer, and of one rank's part
  Operation operation_{};
  Call call_;
};

void Peer::fill() const {
  const std::size_t me = static_cast<std::size_t>(rank_);
  std::memset(receive(), 0xff, count_ * sizeof(float));
  if (op_.collective == allgather)
    for (std::size_t i = 0; i < part_; ++i) send()[i] = value_at(rank_, me * part_ + i);
  else
    for (std::size_t i = 0; i < count_; ++i) send()[i] = value_at(rank_, i);
  const bool starts_in_place =
      (op_.collective == allreduce && op_.in_place) || (op_.collective == broadcast && rank_ == 0);
  if (starts_in_place) std::memcpy(receive(), send(), count_ * sizeof(float));
}

std::uint64_t Peer::check() const {
  const std::size_t me = static_cast<std::size_t>(rank_);
  std::uint64_t wrong = 0;
  const auto expect = [&](std::size_t i, float value) { wrong += receive()[i] != value ? 1 : 0; };
  switch (op_.collective) {
    case allreduce:
      for (std::size_t i = 0; i < count_; ++i) expect(i, sum_at(size_, i));
      break;
    case reduce_scatter:
      for (std::size_t i = 0; i < part_; ++i) expect(i, sum_at(size_, me * part_ + i));
      break;
    case broadcast:
      for (std::size_t i = 0; i < count_; ++i) expect(i, value_at(0, i));
      break;
    case allgather:
    case alltoall:
      for (std::size_t i = 0; i < count_; ++i) {
        const std::size_t source = i / part_, within = i % part_;
        expect(i, value_at(static_cast<int>(source), (op_.collective == allgather ? source : me) * part_ + within));
      }
      break;
    default: break;
  }
  return wrong;
}

std::uint64_t Peer::checked_run() {
  if (op_.collective != barrier) fill();
  sync();
  run();
  sync();
  return op_.collective == barrier ? 0 : check();
}

/// Until 15 % of the budget is used, or twice if a call is long. Returns how many iterations fit the budget.
int Peer::warm_up(std::size_t bytes) {
  const auto start = Clock::now();
  for (int warm = 1;; ++warm) {
    sync();
    const auto begin = Clock::now();
    run();
    sync();
    const double last = seconds_since(begin), all = seconds_since(start);
    if (rank_ == 0) {
      shared_->stop = (warm >= 2 && all > 0.15 * config_->budget) || last > 0.05;
      const double estimate = warm > 10 ? all / warm : std::max(last, 1e-7);
      const int least = bytes >= (std::size_t{64} << 20) ? config_->min_iters : 2 * config_->min_iters;
      const double wanted = std::max(config_->budget / estimate, static_cast<double>(least));
      shared_->iterations =
          static_cast<int>(std::min(wanted, static_cast<double>(std::max(config_->max_iters, least))));
    }
    sync();
    if (shared_->stop) return std::min(shared_->iterations, PeersMemory::max_iterations);
  }
}

std::string Peer::measure(const PeersOp& op, std::size_t bytes, std::uint64_t& wrong) {
  op_ = op;
  const bool splits = info(op.collective).splits;
  const std::size_t ranks = static_cast<std::size_t>(size_), me = static_cast<std::size_t>(rank_);
  count_ = op.collective == barrier ? 0 : bytes / sizeof(float);
  if (splits) count_ -= count_ % ranks;
  part_ = count_ / ranks;
  if (op.collective != barrier && count_ == 0) return "";
  set_stage(op.name() + ", " + std::to_string(bytes) + " bytes");

  using ringcoll::DataType, ringcoll::OpId;
  operation_ = find_operation(DataType::float32, info(op.collective).reduces ? OpId::sum : OpId::absent);
  call_ = {};
  call_.collective = op.collective;
  call_.options.reproducible = config_->reproducible;
  call_.in = op.in_place ? receive_.data() : send_.data();
  call_.out = receive_.data();
  call_.in_count = op.collective == allgather ? part_ : count_;
  call_.out_count = op.collective == reduce_scatter ? part_ : count_;

  shared_->wrong[me] = checked_run();
  // In place, sums double each time; zeros stay zeros and cost the same.
  if (op.collective == allreduce && op.in_place) std::memset(receive(), 0, count_ * sizeof(float));
  const int iterations = warm_up(bytes);
  std::span<double> durations = std::span(shared_->durations[me]).first(static_cast<std::size_t>(iterations));
  for (double& duration : durations) {
    sync();
    const auto start = Clock::now();
    run();
    duration = seconds_since(start);
  }
  sync();
  shared_->wrong[me] += checked_run();
  sync();
  if (rank_ != 0) {
    sync();  // rank 0 reads what stands in the shared memory
    return "";
  }

  for (std::size_t rank = 1; rank < ranks; ++rank) {
    shared_->wrong[0] += shared_->wrong[rank];
    for (std::size_t i = 0; i < durations.size(); ++i)
      durations[i] = std::max(durations[i], shared_->durations[rank][i]);
  }
  wrong += shared_->wrong[0];
  std::sort(durations.begin(), durations.end());
  const double last = static_cast<double>(iterations - 1);
  const double p50 = durations[durations.size() / 2],
               p99 = durations[static_cast<std::size_t>(std::lround(last * 0.99))];
  const double total = static_cast<double>(count_ * sizeof(float)), algbw = total / p50 * 1e-9;
  char row[256];
  std::snprintf(row, sizeof row, "ringcoll,%s,%s,%d,%.0f,%d,%.3f,%.3f,%.3f,%.4f,%.4f,%llu\n",
                config_->transport == "auto" ? "shm" : config_->transport.c_str(), op.name().c_str(), size_, total,
                iterations, p50 * 1e6, p99 * 1e6, durations[0] * 1e6, algbw, algbw * bus_factor(op.collective, size_),
                static_cast<unsigned long long>(shared_->wrong[0]));
  sync();
  return row;
}

std::vector<std::size_t> peers_sizes(const Config& config) {
  if (!config.sizes.empty()) return config.sizes;
  std::vector<std::size_t> sizes = {8, 64};
  constexpr std::size_t all_kilobytes[] = {1, 8, 64, 256, 1024, 4096, 16384, 65536, 262144};
  for (const std::size_t kilobytes : all_kilobytes) sizes.push_back(kilobytes << 10);
  return sizes;
}

}  // namespace

std::uint64_t run_peers(const Config& config, World& world, PeersMemory& shared) {
  std::optional<Output> out;
  if (world.rank() == 0) out.emplace(config.peers_path, config.force);
  const std::vector<std::size_t> sizes = peers_sizes(config);
  Peer peer(config, world, shared, std::max<std::size_t>(64, *std::max_element(sizes.begin(), sizes.end())));
  if (out) out->write(std::string(peers_columns) + "\n");

  std::uint64_t wrong = 0;
  for (const PeersOp& op : peers_ops) {
    if (!config.every_collective && op.collective != config.collective) continue;
    const std::vector<std::size_t> none = {0};
    for (const std::size_t bytes : op.collective == barrier ? none : sizes) {
      const std::string row = peer.measure(op, bytes, wrong);
      if (out) out->write(row);
    }
  }
  if (out) out->finish();
  return world.sum(wrong);
}

}  // namespace perf
