// SPDX-License-Identifier: Apache-2.0
#pragma once

/// ringcoll's version. CMake, pkg-config and the tools read it from these three lines.
#define RINGCOLL_VERSION_MAJOR 0
#define RINGCOLL_VERSION_MINOR 1
#define RINGCOLL_VERSION_PATCH 0

/// One number to compare: 100 for 0.1.0.
#define RINGCOLL_VERSION (RINGCOLL_VERSION_MAJOR * 10000 + RINGCOLL_VERSION_MINOR * 100 + RINGCOLL_VERSION_PATCH)

// Everything lives in `namespace ringcoll::inline v0`, so that two versions in one process do not collide.
