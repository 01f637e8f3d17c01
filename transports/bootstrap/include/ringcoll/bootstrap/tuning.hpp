// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ringcoll/bootstrap/connect.hpp>
#include <ringcoll/broadcast.hpp>
#include <ringcoll/communicator.hpp>
#include <ringcoll/point_to_point.hpp>
#include <ringcoll/sim/machine.hpp>
#include <ringcoll/sim/selector.hpp>

namespace ringcoll::inline v0::bootstrap {

namespace detail {

/// What the way between two nodes costs, in ns.
struct NetworkCost {
  double half_round_trip = 0;  ///< of 8 bytes
  double byte = 0;             ///< of a long message
};

/// Between rank 0 and the first rank of another node, in well below 200 ms: 20 short messages there and back, then long
/// ones until 60 ms have passed, four at most. The others have nothing to do.
inline NetworkCost measure_network(const Communicator& comm, std::chrono::nanoseconds deadline) {
  using Clock = std::chrono::steady_clock;
  constexpr int short_ones = 20, long_ones = 4;
  constexpr std::size_t long_bytes = 256 << 10;
  const int peer = comm.placement().leader(1);
  if (comm.rank() != 0 && comm.rank() != peer) return {};
  const Options options{.deadline = deadline};
  std::vector<std::byte> bulk(long_bytes);
  std::array<std::byte, 8> word{};  // its first byte: another long message follows
  if (comm.rank() == peer) {
    for (int i = 0; i < short_ones; ++i) {
      recv(comm, word, 0, options);
      send(comm, word, 0, options);
    }
    while (recv(comm, word, 0, options), word[0] != std::byte{}) {
      recv(comm, bulk, 0, options);
      send(comm, word, 0, options);
    }
    return {};
  }
  const auto ns_since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  };
  std::array<double, short_ones> trips{};
  for (double& trip : trips) {
    const Clock::time_point start = Clock::now();
    send(comm, word, peer, options);
    recv(comm, word, peer, options);
    trip = ns_since(start);
  }
  std::nth_element(trips.begin(), trips.begin() + short_ones / 2, trips.end());
  NetworkCost cost{.half_round_trip = trips[short_ones / 2] / 2};
  word[0] = std::byte{1};
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < long_ones && ns_since(begin) < 60e6; ++i) {
    const Clock::time_point start = Clock::now();
    send(comm, word, peer, options);
    send(comm, bulk, peer, options);
    recv(comm, word, peer, options);
    const double byte = std::max(0.0, ns_since(start) - 2 * cost.half_round_trip) / long_bytes;
    cost.byte = i == 0 ? byte : std::min(cost.byte, byte);
  }
  word[0] = {};
  send(comm, word, peer, options);
  return cost;
}

}  // namespace detail

/// The selector of a job's first communicator, which must be new: it asks the simulator, with a model of the machine.
///
/// The model is in the file that RINGCOLL_TUNING names, else that of some machine; between nodes it is measured then.
/// RINGCOLL_TUNING=off: none, so that rules of thumb decide. Where there are several nodes, rank 0's variable and model
/// hold for all, so the call is collective. Throws Error.
inline std::shared_ptr<Selector> selector_for(const Communicator& comm, std::chrono::nanoseconds deadline) {
  enum class Mode : std::uint64_t { off, given, measured };
  const std::string path = detail::variable("RINGCOLL_TUNING");
  const Options options{.deadline = deadline};
  std::array<Mode, 1> mode{path == "off" ? Mode::off : path.empty() ? Mode::measured : Mode::given};
  if (!comm.one_host()) broadcast(comm, std::as_writable_bytes(std::span(mode)), 0, options);
  if (mode[0] == Mode::off) return nullptr;

  const bool decides = comm.one_host() || comm.rank() == 0;
  sim::Model model = decides && mode[0] == Mode::given
                         ? sim::load_tuning(path)
                         : sim::some_machine(static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  if (!comm.one_host()) {
    if (mode[0] == Mode::measured) {
      const detail::NetworkCost cost = detail::measure_network(comm, deadline);
      model.inter.latency = std::max(0.0, cost.half_round_trip - 2 * model.inter.message);
      model.inter.byte = 0;
      model.nic_byte = std::max(0.0, cost.byte - model.inter.message_byte);
    }
    std::string text = sim::write_tuning(model);
    std::array<std::uint64_t, 1> length{text.size()};
    broadcast(comm, length, 0, options);
    text.resize(length[0]);
    broadcast(comm, std::span(text.data(), text.size()), 0, options);
    model = sim::read_tuning(text, "rank 0's tuning");
  }
  return std::make_shared<sim::PredictingSelector>(std::move(model));
}

}  // namespace ringcoll::inline v0::bootstrap
