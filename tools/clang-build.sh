#!/bin/bash
# Everything once with clang, warnings as errors: it sees other mistakes than gcc.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# A build machine has half an hour: there, what is shipped alone.
cmake --preset clang -DCORRAL_TESTS="$([ "${CI:-}" = true ] && echo OFF || echo ON)" >/dev/null && cmake --build --preset clang
