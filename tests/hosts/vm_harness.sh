#!/bin/bash
# What tools/vm/run.sh promises: the command's output, its exit status, its mode, and nothing left behind.
# usage: tests/hosts/vm_harness.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$here/../../tools/vm/run.sh
failed=0

if ! reason=$("$run" --check 2>&1); then
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "vm_harness.sh: $reason" >&2
		exit 1
	fi
	echo "skipped: $reason"
	exit 77
fi

TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
"$here/../../tools/vm/image.sh" >/dev/null

# usage: expect SENTENCE ACTUAL EXPECTED
expect() {
	if [ "$2" = "$3" ]; then
		echo "ok   $1"
	else
		failed=$((failed + 1))
		printf 'FAIL %s\n     got:  %s\n     want: %s\n' "$1" "$2" "$3"
	fi
}

# usage: status_of COMMAND [ARG...]; its output goes to $TMPDIR/out and $TMPDIR/err
status_of() {
	local status=0
	"$@" >"$TMPDIR/out" 2>"$TMPDIR/err" || status=$?
	echo "$status"
}

expect "a bad option is 125" "$(status_of "$run" --frobnicate -- true)" 125
expect "a bad mode is 125" "$(status_of "$run" --mode god -- true)" 125
expect "no command is 125" "$(status_of "$run")" 125

# shellcheck disable=SC2016 # the guest's shell expands these
script='echo "out $(id -u) $1"; echo err >/dev/stderr; stat -fc %T /sys/fs/cgroup; exit 7'
expect "exit status comes back" "$(status_of "$run" -- sh -c "$script" sh "a  'b' \$c")" 7
expect "output comes back, arguments arrive unchanged" "$(tr '\n' '|' <"$TMPDIR/out")" "out 0 a  'b' \$c|cgroup2fs|"
expect "standard error comes back on its own" "$(cat "$TMPDIR/err")" err

# shellcheck disable=SC2016 # the guest's shell expands these
script='id -un; grep -c . /proc/self/uid_map; mkdir /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/x; echo $?
	newuidmap 2>&1 | head -c 5; head -c 1000000 /dev/zero | wc -c; head -c 300000 /dev/zero | tr "\0" @ >&2'
expect "mode user runs" "$(status_of "$run" --mode user -- sh -c "$script" 2>&1)" 0
expect "mode user is tester without delegation" "$(tr '\n' '|' <"$TMPDIR/out")" "tester|1|1|usage1000000|"
expect "much output comes back whole" "$(tr -cd @ <"$TMPDIR/err" | wc -c)" 300000

begin=$SECONDS
expect "a timeout is 124" "$(status_of "$run" --timeout 10 -- sleep 1000)" 124
expect "a timeout comes in time" "$((SECONDS - begin < 60))" 1

# Killed in the middle: the machine goes with it. Its processes are known by a name in their arguments.
mark=corral_mark=$$
"$run" --append "$mark" -- sleep 1000 >/dev/null 2>&1 &
child=$!
for _ in {1..200}; do
	pgrep -f "^qemu-system.*$mark" >/dev/null && break
	sleep 0.1
done
expect "the machine runs" "$(pgrep -c -f "^qemu-system.*$mark")" 1
kill -KILL "$child"
wait "$child" 2>/dev/null || true
for _ in {1..100}; do
	pgrep -f "$mark" >/dev/null || break
	sleep 0.1
done
expect "no process stays when it is killed" "$(pgrep -fa "$mark" | grep -v pgrep || true)" ""
rm -f "$TMPDIR/out" "$TMPDIR/err"
expect "no file stays" "$(ls -A "$TMPDIR")" ""

echo "$failed failed"
[ "$failed" = 0 ]
