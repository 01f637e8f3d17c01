// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include <algorithm>
#include <string>

#include <ringcoll/detail/ring.hpp>

#include "../exit_code.hpp"

namespace perf {
namespace {

/// What a message and a link hold: 64 KiB where there is shared memory, 256 KiB over TCP alone, as the transports say.
struct Frames {
  std::size_t bytes;
  int slots;
};
Frames frames_of(const SimConfig& config) {
  constexpr std::size_t tcp_bytes = 256 << 10;
  constexpr int tcp_slots = 4;
  using Sizes = ringcoll::detail::RingSizes;
  Frames frames{Sizes::frame_bytes, Sizes::slots};
  if (config.nodes > 1 && config.ranks_per_node == 1) frames = {tcp_bytes, tcp_slots};
  if (config.frame_bytes > 0) frames.bytes = config.frame_bytes;
  if (config.slots > 0) frames.slots = config.slots;
  return frames;
}

/// The collective of ringcoll that one of ringcoll_perf's measures.
ringcoll::Collective collective_of(Collective measured) {
  for (const ringcoll::FamilyOf& family : ringcoll::families)
    if (name(family.collective) == info(measured).name) return family.collective;
  throw usage_error("collective '" + std::string(info(measured).name) + "': it cannot be predicted");
}

}  // namespace

ringcoll::Question question_of(const SimConfig& config, std::size_t bytes) {
  constexpr std::size_t element_bytes = 4;
  const Frames frames = frames_of(config);
  const Shape shape = shape_of(config.collective, bytes, element_bytes, config.size());
  return {.collective = collective_of(config.collective),
          .size = config.size(),
          .root = config.root,
          .bytes = std::max(shape.send, shape.receive) * element_bytes,
          .element_bytes = element_bytes,
          .placement = &config.placement,
          .frame_bytes = frames.bytes,
          .slots = frames.slots};
}

ringcoll::sim::Scenario scenario_of(const SimConfig& config, const ringcoll::Choice& choice, std::size_t bytes,
                                    bool in_place) {
  const ringcoll::Question question = question_of(config, bytes);
  auto scenario = ringcoll::sim::Scenario::of(question, choice);
  scenario.in_place = in_place;
  scenario.stragglers = config.stragglers;
  scenario.most_steps = config.most_steps;
  return scenario;
}

}  // namespace perf
