#!/bin/bash
# Runs within a virtual machine: every real-kernel test program of the build tree and the escape suite, one
# line each, the output of those that fail, and a summary.
# usage: tests/hosts/vm_suite.sh BUILD_DIR
set -euo pipefail

build=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
passed=0
failed=()
skipped=()

# As on most hosts, temporary files are on a disk: before Linux 6.3 a tmpfs cannot be id-mapped.
export TMPDIR=/var/tmp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# usage: check NAME COMMAND [ARG...]
check() {
	local name=$1 status=0 begin=$SECONDS
	shift
	timeout --kill-after=5 900 "$@" >"$work/out" 2>&1 </dev/null || status=$?
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok   $name ($((SECONDS - begin)) s): $(grep . "$work/out" | tail -n 1)"
		;;
	77)
		skipped+=("$name")
		echo "skip $name: $(tail -n 1 "$work/out")"
		;;
	*)
		failed+=("$name")
		echo "FAIL $name: exit status $status ($((SECONDS - begin)) s)"
		sed 's/^/     /' "$work/out"
		;;
	esac
}

echo "$(uname -sr), $(id -un), cgroup $(cut -d: -f3 /proc/self/cgroup | tail -n 1)"
cd "$build"
while read -r program; do
	check "${program#"$build"/}" "$program"
done < <(find "$build/tests/real" -type f -perm /111 -name '*test_*' 2>/dev/null | LC_ALL=C sort)
if [ -d "$build/tests/escape/programs" ]; then
	check tests/escape "$source/tests/escape/run.sh" --corral "$build/tools/corral" \
		--programs "$build/tests/escape/programs"
fi

if [ $((passed + ${#failed[@]} + ${#skipped[@]})) = 0 ]; then
	echo "no tests in $build/tests/real: build it first"
	exit 1
fi
echo "$passed passed, ${#skipped[@]} skipped, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
[ "${#failed[@]}" = 0 ] || exit 1
if [ "$passed" = 0 ]; then
	exit 77
fi
