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
# Debian's kernel has no fence in Landlock for abstract sockets, and in mode `user` nothing is delegated, which
# is what that mode is for.
without=abstract_socket
[ "$mode" != user ] || without+=" cgroup"
exec "$run" --mode "$mode" --build "$build" --timeout "${CORRAL_VM_TIMEOUT:-870}" -- \
	env CORRAL_TESTS_MUST_RUN="${CORRAL_TESTS_MUST_RUN:-}" CORRAL_TESTS_WITHOUT="$without" \
	CORRAL_VM_TESTS="${CORRAL_VM_TESTS:-}" \
	bash "$(realpath "$here")/vm_suite.sh" "$mode" "$build"
