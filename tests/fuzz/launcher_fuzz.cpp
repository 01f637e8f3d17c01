// SPDX-License-Identifier: Apache-2.0
// An environment of garbage: lines "number=value", where the number picks the variable.
#include <ringcoll/environment.hpp>
#include <ringcoll/launcher.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace {

constexpr const char* names[] = {"RANK",
                                 "WORLD_SIZE",
                                 "LOCAL_RANK",
                                 "LOCAL_WORLD_SIZE",
                                 "MASTER_ADDR",
                                 "MASTER_PORT",
                                 "TORCHELASTIC_USE_AGENT_STORE",
                                 "OMPI_COMM_WORLD_RANK",
                                 "OMPI_COMM_WORLD_SIZE",
                                 "OMPI_COMM_WORLD_LOCAL_RANK",
                                 "OMPI_COMM_WORLD_LOCAL_SIZE",
                                 "PMIX_NAMESPACE",
                                 "PMI_RANK",
                                 "PMI_SIZE",
                                 "MPI_LOCALRANKID",
                                 "MPI_LOCALNRANKS",
                                 "SLURM_PROCID",
                                 "SLURM_NTASKS",
                                 "SLURM_LOCALID",
                                 "SLURM_STEP_ID",
                                 "SLURM_JOB_ID",
                                 "SLURM_STEP_NODELIST",
                                 "SLURM_NNODES",
                                 "RINGCOLL_RANK",
                                 "RINGCOLL_SIZE",
                                 "RINGCOLL_ADDRESS",
                                 "RINGCOLL_LOCAL_RANK",
                                 "RINGCOLL_LOCAL_SIZE",
                                 "RINGCOLL_JOB"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string_view input(reinterpret_cast<const char*>(data), bytes);
  std::map<std::string, std::string> variables;
  for (std::size_t at = 0; at + 1 < input.size();) {
    const std::size_t end = std::min(input.find('\n', at + 1), input.size());
    variables[names[data[at] % std::size(names)]] = input.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  const auto variable = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  try {
    const ringcoll::Launch launch = ringcoll::detect_launch(variable, 1);
    if (launch.rank < 0 || launch.rank >= launch.size || launch.describe().empty()) std::abort();
    if (!launch.address.empty() && !launch.address.starts_with("unix:") && !ringcoll::parse_host_port(launch.address))
      std::abort();
    for (const std::string& warning : launch.warnings) {
      for (const char c : warning) {
        if (c < ' ' || c > '~') std::abort();  // nobody's escape sequences
      }
    }
  } catch (const ringcoll::Error& error) {
    for (const char* c = error.what(); *c != 0; ++c) {
      if (*c < ' ' || *c > '~') std::abort();
    }
  }
  const std::string entry = "RINGCOLL_" + std::string(input.substr(0, 300));
  const char* const environment[] = {entry.c_str(), nullptr};
  ringcoll::unknown_variables(environment);
  return 0;
}
