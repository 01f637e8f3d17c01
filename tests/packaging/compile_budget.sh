#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# compile_budget.sh COMPILER INCLUDE_DIR: what `#include <ringcoll/ringcoll.hpp>` costs. The best of eight counts, since
# other work on the machine only ever makes it slower.
set -euo pipefail
compiler=$1 include=$2
seconds=1.0 lines=80000

preprocessed=$("$compiler" -std=c++20 -O2 -E -I "$include" -x c++ - <<<'#include <ringcoll/ringcoll.hpp>' | wc -l)
echo "$preprocessed preprocessed lines, $lines allowed"
((preprocessed <= lines))

TIMEFORMAT=%U
for _ in 1 2 3 4 5 6 7 8; do
  took=$({ time "$compiler" -std=c++20 -O2 -fsyntax-only -I "$include" -x c++ - <<<'#include <ringcoll/ringcoll.hpp>'; } 2>&1)
  echo "$took s of user time, $seconds s allowed"
  if awk "BEGIN {exit !($took <= $seconds)}"; then exit 0; fi
done
exit 1
