#!/bin/bash
# Runs within a virtual machine: every real-kernel test program of the build tree, those of images and the escape
# suite, one line each with why tests were skipped, the output of those that fail, and a summary. CORRAL_VM_TESTS, an
# extended regular expression, chooses some by name.
# usage: tests/hosts/vm_suite.sh MODE BUILD_DIR
set -euo pipefail

mode=$1
build=$2
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
chosen=${CORRAL_VM_TESTS:-.}
passed=0
failed=()
skipped=()

# As on most hosts, temporary files are on a disk: before Linux 6.3 a tmpfs cannot be id-mapped.
export TMPDIR=/var/tmp
# Emulated, a thousand sandboxes take minutes, and a race is lost to its own deadline.
export CORRAL_TESTS_SLOW=1 CORRAL_TEST_RACES=5
# The first network of a host has the kernel load modules, a program each: emulated, and beside other work, that takes
# longer than corral waits for its network to be made.
[ "$mode" != root ] || modprobe -a nf_tables nf_nat veth nft_chain_nat nft_masq nft_nat nft_ct nft_limit \
	nft_reject_inet nft_connlimit || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where systemd delegates, whoever makes sandboxes is to be alone in the group: each test program is started in
# a scope of its own, and each corral of the escape suite, since scopes take long to make, in a child of ours.
alone=()
corral=$build/tools/corral
if [ "$mode" = systemd-user ]; then
	alone=(systemd-run --user --scope --quiet -p Delegate=yes -- "$work/alone")
	cat >"$work/alone" <<-'SCRIPT'
		#!/bin/bash
		# The test is in one child of the scope, and each corral that it starts in another.
		scope=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
		mkdir "$scope/test" && echo $$ >"$scope/test/cgroup.procs" &&
			echo +cpu +memory +pids >"$scope/cgroup.subtree_control" || exit 1
		CORRAL_TESTS_GROUPS=$scope exec "$@"
	SCRIPT
	chmod 755 "$work/alone"
	scope=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
	mkdir "$scope/suite"
	echo $$ >"$scope/suite/cgroup.procs"
	echo +cpu +memory +pids >"$scope/cgroup.subtree_control"
	cat >"$work/corral" <<-SCRIPT
		#!/bin/bash
		mkdir "$scope/\$\$" && echo \$\$ >"$scope/\$\$/cgroup.procs" && exec ${corral@Q} "\$@"
	SCRIPT
	chmod 755 "$work/corral"
	corral=$work/corral
fi

# Runs a command and leaves its output, its exit status and its seconds. usage: run SLOT COMMAND [ARG...]
run() {
	local slot=$work/$1 status=0 begin=$SECONDS
	shift
	timeout --kill-after=5 600 "$@" >"$slot" 2>&1 </dev/null || status=$?
	echo "$status $((SECONDS - begin))" >"$slot.end"
}

# usage: report SLOT NAME
report() {
	local slot=$work/$1 name=$2 status seconds
	read -r status seconds <"$slot.end"
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok   $name ($seconds s): $(grep . "$slot" | tail -n 1)"
		# A test that is not for this machine has said why, in the line above.
		awk '/^\[==.* run\.$/ { exit } /^\[  SKIPPED \]/ { print "     " $4 ": " said } { said = $0 }' "$slot"
		;;
	77)
		skipped+=("$name")
		echo "skip $name: $(tail -n 1 "$slot")"
		;;
	*)
		failed+=("$name")
		echo "FAIL $name: exit status $status ($seconds s)"
		sed 's/^/     /' "$slot"
		;;
	esac
}

echo "$(uname -sr), $(id -un), cgroup $(cut -d: -f3 /proc/self/cgroup | tail -n 1)"
cd "$build"
while read -r program; do
	run 0 ${alone[@]+"${alone[@]}"} "$program"
	report 0 "${program#"$build"/}"
done < <(find "$build/tests/real" "$build/tests/image" "$build/tests/oci" -type f -perm /111 -name '*test_*' 2>/dev/null |
	LC_ALL=C sort | grep -E "$chosen")
if [ -d "$build/tests/escape/programs" ] && [[ tests/escape =~ $chosen ]]; then
	# The cases have nothing in common: a half of them for each of the machine's processors.
	for part in 1 2; do
		run "$part" "$source/tests/escape/run.sh" --corral "$corral" --programs "$build/tests/escape/programs" \
			--part "$part/2" &
	done
	wait
	for part in 1 2; do
		report "$part" "tests/escape $part/2"
	done
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
