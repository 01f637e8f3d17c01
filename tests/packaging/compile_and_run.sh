#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile_and_run.sh PROGRAM COMMAND...: runs the compiler command, then the program that it made.
set -eu
export program="$1"
shift
mkdir -p "$(dirname "$program")"
sh -ec "$*"
"$program"
