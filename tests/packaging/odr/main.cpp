// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdio>

#include "sum.hpp"

bool other_file();

int main(int, char** argv) {
  void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!plugin) {
    std::puts(dlerror());
    return 1;
  }
  const auto in_plugin = reinterpret_cast<bool (*)()>(dlsym(plugin, "plugin_sum_is_right"));
  const bool ok = sum_is_right() && other_file() && in_plugin && in_plugin();
  std::puts(ok ? "right" : "wrong");
  return ok ? 0 : 1;
}
