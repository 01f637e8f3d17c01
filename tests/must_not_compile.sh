#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# must_not_compile.sh FILE COMPILER [FLAG...]: the compiler must refuse FILE, with the text that FILE expects.
set -eu
file=$1
shift
expected=$(sed -n 's|^// expect: *||p' "$file" | head -n 1)
if [ -z "$expected" ]; then
  echo "$file has no line '// expect: TEXT'"
  exit 1
fi
if output=$("$@" -fsyntax-only "$file" 2>&1); then
  echo "$file compiles, but should fail with: $expected"
  exit 1
fi
case $output in
  *"$expected"*) echo "refused as expected: $expected" ;;
  *)
    printf '%s\n%s\n' "$output" "$file does not compile, but the message lacks: $expected"
    exit 1
    ;;
esac
