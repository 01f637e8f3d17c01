// SPDX-License-Identifier: Apache-2.0
// A tuning file of garbage: refused with a printable sentence, or read, and then written and read again.
#include <ringcoll/sim/tuning_file.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string_view text(reinterpret_cast<const char*>(data), bytes);
  ringcoll::sim::Model model;
  try {
    model = ringcoll::sim::read_tuning(text, text.substr(0, 20));
  } catch (const ringcoll::Error& error) {
    for (const char* c = error.what(); *c != 0; ++c) {
      if (*c < ' ' || *c > '~') std::abort();
    }
    return 0;
  }
  if (!(ringcoll::sim::read_tuning(ringcoll::sim::write_tuning(model), "again") == model)) std::abort();
  const ringcoll::sim::MemoryCost cost = model.memory_cost(12345);
  if (!(cost.own >= 0 && cost.slot >= 0)) std::abort();
  return 0;
}
