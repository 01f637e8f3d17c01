// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ringcoll/select.hpp>
#include <ringcoll/sim/predict.hpp>

namespace ringcoll::inline v0::sim {

/// A way to carry out a call, and how long it should take.
struct Candidate {
  Choice choice;
  double time = 0;  ///< ns, until the last rank is done
};

/// Every schedule that can answer the question, with messages of full length and shorter ones, fastest first; of equal
/// ones the first in `families`.
///
/// A prediction runs at most `most_steps` steps of all ranks together, which bounds what a choice costs: some 0.4 ms
/// for each candidate with 4000.
inline std::vector<Candidate> candidates(const Question& question, const Placement& placement, const Model& model,
                                         std::uint64_t most_steps = 4000) {
  std::vector<Candidate> found;
  const auto add = [&](const Choice& choice) {
    Scenario scenario = Scenario::of(question, choice);
    scenario.element_bytes = question.element_bytes;
    scenario.most_steps = most_steps;
    const Prediction prediction = predict(scenario, placement, model);
    if (prediction) found.push_back({choice, prediction.finish});
  };
  ringcoll::detail::for_candidates(question, [&](const FamilyOf& f) {
    Choice choice = ringcoll::detail::choice(f, question);
    add(choice);
    // Shorter messages go through a long chain of ranks sooner, but each has its cost: over TCP they took half as long
    // again as predicted (256 KiB between 2 ranks: 139 us, with long messages 88), so only within a node.
    if (placement.nodes() > 1) return;
    constexpr std::size_t short_frame = 16 << 10;
    const std::size_t chunk = question.bytes / static_cast<std::size_t>(choice.schedule.chunks());
    const std::size_t parts = static_cast<std::size_t>(choice.schedule.most_parts());
    if (chunk <= short_frame || choice.frame_bytes <= short_frame || short_frame < parts * question.element_bytes)
      return;
    choice.frame_bytes = short_frame;
    add(choice);
  });
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return a.time < b.time; });
  return found;
}

/// Chooses what should be fastest on a machine as the model has it.
///
/// The answer depends on the question, the placement and the model only, so it is the same on ranks that have the same
/// model. Sizes within a quarter of an octave are one question.
class PredictingSelector final : public Selector {
 public:
  explicit PredictingSelector(Model model) : model_(std::move(model)) {}

  Choice choose(const Question& question) override { return best(question).choice; }

  /// "simulated: 21.3 us; next tree, 35.0 us".
  std::string why(const Question& question) override {
    const Answer& answer = best(question);
    return "simulated: " + microseconds(answer.time) +
           (answer.next.empty() ? "" : "; next " + answer.next + ", " + microseconds(answer.next_time));
  }

  std::shared_ptr<Selector> fresh() const override { return std::make_shared<PredictingSelector>(model_); }

  const Model& model() const { return model_; }

 private:
  struct Answer {
    Choice choice;
    double time = 0, next_time = 0;
    std::string next = {};
  };
  using Key = std::tuple<Collective, int, std::size_t, std::size_t, bool, bool, std::size_t, int>;

  /// The largest size below with no more than three leading bits.
  static std::size_t rounded(std::size_t bytes) {
    const int extra = std::max(0, static_cast<int>(std::bit_width(bytes)) - 3);
    return bytes >> extra << extra;
  }

  static std::string microseconds(double ns) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f us", ns / 1000);
    return text;
  }

  const Answer& best(const Question& asked) {
    Question question = asked;
    question.bytes = rounded(asked.bytes);
    const Key key{question.collective,  question.root,         question.bytes,       question.element_bytes,
                  question.commutative, question.reproducible, question.frame_bytes, question.slots};
    const auto [place, is_new] = answers_.try_emplace(key);
    if (is_new) place->second = answer(question);
    return place->second;
  }

  Answer answer(const Question& question) const {
    const Placement one_node = Placement::one_node(question.size);
    const std::vector<Candidate> all =
        candidates(question, question.placement ? *question.placement : one_node, model_);
    if (all.empty()) return {.choice = ringcoll::detail::choose_by_rule(question)};
    Answer answer{.choice = all.front().choice, .time = all.front().time};
    for (const Candidate& other : all) {
      if (other.choice.family == answer.choice.family) continue;
      answer.next = other.choice.schedule.name();
      answer.next_time = other.time;
      break;
    }
    return answer;
  }

  Model model_;
  std::map<Key, Answer> answers_;
};

}  // namespace ringcoll::inline v0::sim
