// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <ringcoll/sim/model.hpp>
#include <ringcoll/sim/tuning_file.hpp>

namespace ringcoll::inline v0::sim {

/// A machine that nothing is known of but its cores: the numbers are those of a Zen 4 guest with DDR5, near cores, and
/// a TCP that the kernel's loopback limits (docs/simulation.md). RINGCOLL_TUNING names a file with better ones.
inline Model some_machine(int cores) {
  return {.call = 40,
          .step = 15,
          .memory = {{.working_set = 4096, .own = 0.02, .slot = 0.12},
                     {.working_set = 1 << 20, .own = 0.03, .slot = 0.12},
                     {.working_set = 128 << 20, .own = 0.07, .slot = 0.12}},
          .cores = cores,
          .switch_to = 1200,
          .intra = {.latency = 80, .message = 20},
          .inter = {.latency = 2000, .byte = 0.05, .message = 800, .message_byte = 0.1}};
}

/// The model in a tuning file. Throws Error(invalid_argument): what is wrong in which line, or why it cannot be read.
inline Model load_tuning(const std::string& path) {
  constexpr std::size_t most = 65'536;  // read_tuning takes no more
  const auto refuse = [&](int code) {
    throw Error(Errc::invalid_argument, "cannot read the tuning file " + path + ": " + std::strerror(code));
  };
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (!file) refuse(errno);
  std::string text(most + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file));
  const int code = std::ferror(file) ? errno : 0;  // of a folder, say
  std::fclose(file);
  if (code != 0) refuse(code);
  return read_tuning(text, path);
}

}  // namespace ringcoll::inline v0::sim
