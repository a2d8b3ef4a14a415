#!/bin/bash
# Keeps a server running while ctest runs: a fixture's setup starts it, the tests find it, the cleanup ends it.
#
#   ctest ── keep.sh start              ends when the server is ready
#            keep.sh --supervise        in a session of its own; waits for whichever ends first:
#              ├─ tail --pid=ctest      ctest, however that ends,
#              └─ unshare ── SERVER     or the server: PID 1 of a namespace, so that all it started goes with it
#
# Killed outright, the supervisor takes both with it (pdeathsig). All of them hold the lock on DIR/lock, so
# whoever gets that lock knows that nobody is left. What can then remain is a control group, whose name tells
# whose it was (cgroups.sh), and files in DIR; the next start removes both.
#
# DIR holds: lock; pid, the supervisor's; log; env, assignments for the tests, made by the server when it is
# ready; why, made instead of it where the server cannot be had.
#
# usage: keep.sh start DIR SERVER [ARG...]        SERVER is told DIR in KEEP_DIR, its control group in KEEP_CGROUP
#        keep.sh with DIR... -- PROGRAM [ARG...]  runs a program with what the servers told in its environment
#        keep.sh stop DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/docker/cgroups.sh
. "$here/cgroups.sh"

fail() {
	echo "keep.sh: $*" >&2
	exit 1
}

start() {
	local dir=$1 lock supervisor tries
	shift
	mkdir -p "$dir"
	exec {lock}>>"$dir/lock"
	# One that was killed a moment ago is still going away.
	flock -w 10 "$lock" ||
		fail "a server of $dir already runs, kept by process $(cat "$dir/pid" 2>/dev/null): keep.sh stop $dir ends it"
	rm -f "$dir"/{env,why,pid}
	sweep_cgroups
	setsid "$here/keep.sh" --supervise "$PPID" "$dir" "$lock" "$@" </dev/null >"$dir/log" 2>&1 &
	supervisor=$!
	exec {lock}>&-
	for ((tries = 0; tries < 900; tries++)); do
		[ ! -e "$dir/env" ] || return 0
		kill -0 "$supervisor" 2>/dev/null || break
		sleep 0.1
	done
	kill "$supervisor" 2>/dev/null || true
	tail -n 30 "$dir/log" >&2
	fail "the server of $dir did not become ready; its log is above"
}

# shellcheck disable=SC2317 # a trap calls it
end() {
	trap '' INT TERM HUP
	# shellcheck disable=SC2086 # a number each, or nothing
	kill -KILL $server $watch 2>/dev/null || true
	wait
	rm -f "$dir"/{env,pid}
	find "$dir" -maxdepth 1 -type s -delete
	remove_cgroups "$KEEP_CGROUP"
}

supervise() {
	local owner=$1 lock=$3
	dir=$2
	shift 3
	server='' watch=''
	export KEEP_DIR=$dir KEEP_CGROUP=corral-docker-kept-$$
	trap end EXIT
	trap 'exit 0' INT TERM HUP
	echo $$ >"$dir/pid"
	setpriv --pdeathsig KILL -- \
		unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- "$@" &
	server=$!
	setpriv --pdeathsig KILL -- tail --pid="$owner" -s 0.3 -f /dev/null &
	watch=$!
	wait -n || true
	kill -0 "$server" 2>/dev/null || echo "the server ended by itself"
}

stop() {
	local dir=$1 lock pid=''
	[ -d "$dir" ] || return 0
	exec {lock}>>"$dir/lock"
	flock -n "$lock" && return 0
	pid=$(cat "$dir/pid" 2>/dev/null) || fail "something holds $dir/lock, and nobody says who"
	kill -TERM "$pid" 2>/dev/null || true
	flock -w 30 "$lock" || fail "the server of $dir, kept by process $pid, does not end"
	[ -z "$(find /sys/fs/cgroup -type d -name "corral-docker-kept-$pid" 2>/dev/null)" ] ||
		fail "control groups of the server remain"
}

# Nothing of an engine that whoever runs the tests uses gets through.
with() {
	local why='' dir
	unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION CONTAINER_HOST
	unset "${!CORRAL_TEST_DOCKER_@}" CORRAL_TEST_ENGINE CORRAL_TEST_REGISTRY
	while [ "$1" != -- ]; do
		dir=$1
		shift
		if [ -e "$dir/env" ]; then
			set -a
			# shellcheck disable=SC1091 # made by the server
			. "$dir/env"
			set +a
		elif [ -e "$dir/why" ]; then
			why+=${why:+; }$(cat "$dir/why")
		else
			[ ! -e "$dir/log" ] || tail -n 30 "$dir/log" >&2
			fail "no server of $dir: it was not started, or has ended"
		fi
	done
	shift
	export CORRAL_TEST_DOCKER_WHY=$why
	exec "$@"
}

verb=${1:-}
[ $# -ge 2 ] || {
	sed -n 's/^# usage: /usage: /p; s/^#        keep/       keep/p' "$here/keep.sh" >&2
	exit 2
}
shift
case $verb in
start | with | stop) "$verb" "$@" ;;
--supervise) supervise "$@" ;;
*) fail "no '$verb': start, with or stop" ;;
esac
