#!/bin/bash
# corral inside an unprivileged container of a real Docker engine: it says what is missing there and what
# mends it, the remedy does mend it, and the weaker tier works for who consents.
#
# The engine is a dockerd of this test alone, in a mount and a pid namespace made for it, with all it
# writes (and /run, where containerd keeps its sockets) in memory: it goes with the namespaces, however this
# ends. What remains outside of them is a cgroup, which has a name of its own and is removed here.
# usage: tests/hosts/docker.sh BUILD_DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image_script=$here/../../tools/vm/image.sh
# shellcheck source=tests/docker/cgroups.sh
. "$here/../docker/cgroups.sh"

skip() {
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "docker.sh: $*" >&2
		exit 1
	fi
	echo "skipped: $*"
	exit 77
}

outside() {
	local build=$1 corral child="" status=0 reason image
	corral=$(realpath -e "$build/tools/corral") || {
		echo "docker.sh: no $build/tools/corral: build it first" >&2
		exit 1
	}
	[ "$(id -u)" = 0 ] || skip "a Docker engine is started by root alone"
	command -v dockerd >/dev/null || skip "dockerd is not installed (docker.io)"
	command -v docker >/dev/null || skip "docker is not installed (docker.io or docker-cli)"
	reason=$("$image_script" --check 2>&1) || skip "no base system for the container: $reason"
	image=$("$image_script")

	sweep_cgroups
	parent=corral-docker-$$
	trap 'kill -KILL "$child" 2>/dev/null || true; wait; remove_cgroups "$parent"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	setpriv --pdeathsig KILL -- unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- \
		"$here/docker.sh" --inside "$parent" "$corral" "$image/root.tar.zst" </dev/null &
	child=$!
	wait "$child" || status=$?
	exit "$status"
}

fail() {
	failed=$((failed + 1))
	echo "FAIL $*"
	sed 's/^/     out: /' "$dir/out"
	sed 's/^/     err: /' "$dir/err"
}

pass() {
	echo "ok   $*"
}

start_engine() {
	local tries
	mount -t tmpfs -o mode=755 none /run
	dir=/run/corral-docker
	mkdir "$dir"
	# Mounts made by the engine are for the engine: containers get copies.
	mount --make-rshared /
	export DOCKER_HOST=unix://$dir/docker.sock DOCKER_CONFIG=$dir/config HOME=$dir
	dockerd --iptables=false --ip6tables=false --bridge=none --ip-forward=false -H "$DOCKER_HOST" \
		--data-root "$dir/data" --exec-root "$dir/exec" -p "$dir/pid" --storage-driver overlay2 \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$parent" >"$dir/log" 2>&1 &
	for ((tries = 0; tries < 150; tries++)); do
		docker version >/dev/null 2>&1 && return 0
		kill -0 $! 2>/dev/null || break
		sleep 0.2
	done
	tail -20 "$dir/log" >&2
	echo "docker.sh: dockerd does not start" >&2
	exit 1
}

# A container of the default profile; corral lies outside of /usr, as a volume below it would be a mount that
# locks /usr against being a layer. usage: contained USER [docker run option...] -- COMMAND...
# Fills $dir/out, $dir/err and `status`.
contained() {
	local user=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	status=0
	timeout 60 docker run --rm --network none --user "$user" --volume "$corral:/opt/corral:ro" \
		${options[@]+"${options[@]}"} corral-base "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}

# The engine's default profile, or there is nothing to be seen.
profile_is_in_force() {
	contained "$1" -- grep -E '^(Seccomp|CapEff)' /proc/self/status
	if ! grep -q '^Seccomp:[[:space:]]*2' "$dir/out"; then
		fail "[$1] the engine's seccomp profile is in force"
		return
	fi
	contained "$1" -- unshare --user true
	if [ "$status" = 0 ]; then
		fail "[$1] the container may not make a user namespace"
	else
		pass "[$1] the engine's default profile is in force"
	fi
}

doctor_names_cause_and_remedy() {
	contained "$1" -- /opt/corral doctor
	[ "$status" = 1 ] || fail "[$1] doctor exits 1 where native isolation is impossible (exit $status)"
	if grep -q 'container' "$dir/out" && grep -qi 'seccomp' "$dir/out" && grep -q -- '--security-opt' "$dir/out"; then
		pass "[$1] doctor names container, seccomp filter and docker option"
	else
		fail "[$1] doctor names container, seccomp filter and docker option"
	fi
	contained "$1" -- /opt/corral doctor --json
	if [ "$status" = 1 ] && python3 -c 'import json, sys; json.load(sys.stdin)' <"$dir/out"; then
		pass "[$1] doctor --json exits 1 and is JSON"
	else
		fail "[$1] doctor --json exits 1 and is JSON (exit $status)"
	fi
}

run_is_refused_in_one_line() {
	contained "$1" -- /opt/corral run -- /bin/true
	if [ "$status" = 125 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" = 1 ] &&
		grep -q '^corral: ' "$dir/err" && grep -qE -- '--security-opt|--allow-weaker|corral doctor' "$dir/err"; then
		pass "[$1] run is refused with 125 and one line that says what to do: $(cat "$dir/err")"
	else
		fail "[$1] run is refused with 125 and one line that says what to do (exit $status)"
	fi
}

weaker_tier_runs_with_consent() {
	contained "$1" -- /opt/corral run --allow-weaker -- sh -c 'echo inside; exit 7'
	if [ "$status" = 7 ] && [ "$(cat "$dir/out")" = inside ]; then
		pass "[$1] --allow-weaker runs the command in the tier that is possible"
	else
		fail "[$1] --allow-weaker runs the command in the tier that is possible (exit $status)"
	fi
	contained "$1" -- sh -c '/opt/corral run --allow-weaker --json 3 -- /bin/true 3>&1'
	if [ "$status" = 0 ] && python3 "$tier_check" "$dir/out" 2>>"$dir/err"; then
		pass "[$1] the receipt names the weaker tier and no fence that is not there"
	else
		fail "[$1] the receipt names the weaker tier and no fence that is not there (exit $status)"
	fi
}

# What doctor advises for a container does make native isolation possible.
remedy_works() {
	contained "$1" --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
		--security-opt systempaths=unconfined -- /opt/corral run -- sh -c 'echo inside; exit 7'
	if [ "$status" = 7 ] && [ "$(cat "$dir/out")" = inside ]; then
		pass "[$1] with the docker options that doctor advises, run works"
	else
		fail "[$1] with the docker options that doctor advises, run works (exit $status)"
	fi
}

write_tier_check() {
	tier_check=$dir/tier.py
	cat >"$tier_check" <<'TEXT'
import json, sys

receipt = json.load(open(sys.argv[1]))
if receipt["tier"] != "confined":
    sys.exit("the tier is said to be " + receipt["tier"])
unreal = {"user-namespace", "mount-namespace", "pid-namespace", "own-root"} & set(receipt["layers"])
if unreal:
    sys.exit("fences that cannot be there: " + ", ".join(sorted(unreal)))
TEXT
}

inside() {
	parent=$1 corral=$2
	failed=0
	start_engine
	write_tier_check
	zstd -dc "$3" | docker import - corral-base >/dev/null
	for user in 0 1000; do
		profile_is_in_force "$user"
		doctor_names_cause_and_remedy "$user"
		run_is_refused_in_one_line "$user"
		weaker_tier_runs_with_consent "$user"
		remedy_works "$user"
	done
	echo "$failed failed"
	[ "$failed" = 0 ]
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit
fi
[ $# = 1 ] || {
	echo "usage: tests/hosts/docker.sh BUILD_DIR" >&2
	exit 2
}
outside "$1"
