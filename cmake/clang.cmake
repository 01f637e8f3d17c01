# SPDX-License-Identifier: Apache-2.0
# Toolchain of the presets clang and fuzz: clang 14, or else the system's.
find_program(RINGCOLL_CLANG NAMES clang++-14 clang++ REQUIRED)
set(CMAKE_CXX_COMPILER ${RINGCOLL_CLANG})
