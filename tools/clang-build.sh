#!/bin/bash
# Everything once with clang, warnings as errors: it sees other mistakes than gcc.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
cmake --preset clang >/dev/null && cmake --build --preset clang
