#!/bin/bash
# The real-kernel tests in a virtual machine of one mode; see tools/vm/run.sh --help.
# usage: tests/hosts/vm.sh MODE BUILD_DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$here/../../tools/vm/run.sh
mode=$1
build=$(realpath -e "$2")

if ! reason=$("$run" --check 2>&1); then
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "vm.sh: $reason" >&2
		exit 1
	fi
	echo "skipped: $reason"
	exit 77
fi
exec "$run" --mode "$mode" --build "$build" --timeout "${CORRAL_VM_TIMEOUT:-1740}" -- \
	env CORRAL_TESTS_MUST_RUN="${CORRAL_TESTS_MUST_RUN:-}" bash "$(realpath "$here")/vm_suite.sh" "$build"
