#!/bin/bash
# corral and its peers side by side, in one run: whole processes, the library against posix_spawn, and
# the memory of idle sandboxes. Prints tables and, at the end, how the figures stand against the aims.
# Speed is never a test: the exit status is 1 only when something that is here could not run.
set -u

usage() {
	cat <<'END'
usage: tools/bench/run.sh [--quick] [--user] [--rounds N] [--build DIR] [--json FILE]

  --quick      fewer rounds: a look, not a measurement
  --user       only the whole processes, as an ordinary user
  --rounds N   rounds of the whole processes (300)
  --build DIR  a build tree; without it build/release is brought up to date and used
  --json FILE  all results as one JSON object
END
}

fail() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 1
}

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build= json= quick= as_user= rounds=300
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 rounds=40 ;;
	--user) as_user=1 ;;
	--rounds) rounds=${2:?--rounds needs a number} && shift ;;
	--build) build=$(realpath -e "${2:?--build needs a directory}") && shift || exit 1 ;;
	--json) json=${2:?--json needs a file} && shift ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

if [ -z "$build" ]; then
	build=$source_dir/build/release
	fresh=()
	[ -e "$build/CMakeCache.txt" ] || fresh=(-DCORRAL_TESTS=OFF) # needs no packages of the tests
	(cd "$source_dir" && cmake --preset release "${fresh[@]}" >/dev/null && cmake --build --preset release >/dev/null) ||
		fail "the release build failed; see: cmake --preset release && cmake --build --preset release"
fi
[ -x "$build/tools/bench/corral-bench" ] || fail "$build holds no tools/bench/corral-bench"

[ -z "$json" ] || json=$(realpath -m "$json")
work=$(mktemp -d "${TMPDIR:-/tmp}/corral-bench.XXXXXX") || exit 1
docker_container= docker_image= docker_shell= engine= hidden=
clean_up() {
	[ -z "$hidden" ] || kill "$hidden" 2>/dev/null
	[ -z "$docker_container" ] || docker rm -f "$docker_container" >/dev/null 2>&1
	[ -z "$docker_image" ] || docker rmi "$docker_image" >/dev/null 2>&1
	[ -z "$docker_shell" ] || docker rmi "$docker_shell" >/dev/null 2>&1
	[ -z "$engine" ] || "$source_dir/tests/docker/engine.sh" stop "$engine"
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"

# The ordinary user: whoever calls, or for root an id that owns nothing; everything it runs is copied to
# where it can be reached.
prefix=() uid=$(id -u) gid=$(id -g)
if [ -n "$as_user" ] && [ "$uid" = 0 ]; then
	command -v setpriv >/dev/null || fail "--user as root needs setpriv (package util-linux)"
	uid=65533 gid=65533
	prefix=(setpriv --reuid "$uid" --regid "$gid" --clear-groups env -u XDG_RUNTIME_DIR HOME="$work/home")
fi
mkdir "$work/bin" "$work/home" "$work/out" "$work/state"
cp "$build/tools/bench/corral-bench" "$build/tools/bench/corral-bench-true" "$work/bin/"
[ ! -x "$build/tools/corral" ] || cp "$build/tools/corral" "$work/bin/"
chown "$uid:$gid" "$work/home" "$work/out" "$work/state"
bench=$work/bin/corral-bench true_static=$work/bin/corral-bench-true
cd "$work" || exit 1
status=0 skipped=()

skip() { # NAME REASON
	skipped+=("$1 ($2)")
}

# --- Whole processes --------------------------------------------------------------------------------

# An OCI bundle for crun and runc: the static program alone, the same seven namespaces, memory and pids
# limited where cgroups are to be had, no seccomp.
make_bundle() { # DIR
	local maps_size=65536 maps_from=100000 resources
	resources='"resources": { "memory": { "limit": 536870912 }, "pids": { "limit": 256 } },'
	if [ "$uid" != 0 ]; then
		maps_size=1 maps_from=$uid resources=
	fi
	mkdir -p "$1/rootfs/bin" "$1"/rootfs/{proc,dev,tmp}
	cp "$true_static" "$1/rootfs/bin/true"
	cat >"$1/config.json" <<END
{
  "ociVersion": "1.0.2",
  "process": {
    "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": [ "/bin/true" ],
    "env": [ "PATH=/usr/bin:/bin" ], "cwd": "/", "noNewPrivileges": true,
    "capabilities": { "bounding": [], "effective": [], "permitted": [] }
  },
  "root": { "path": "rootfs", "readonly": true },
  "hostname": "bench",
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
      "options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ] },
    { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
      "options": [ "nosuid", "nodev", "size=65536k" ] }
  ],
  "linux": {
    $resources
    "uidMappings": [ { "containerID": 0, "hostID": $maps_from, "size": $maps_size } ],
    "gidMappings": [ { "containerID": 0, "hostID": $maps_from, "size": $maps_size } ],
    "namespaces": [ { "type": "user" }, { "type": "mount" }, { "type": "pid" }, { "type": "ipc" },
                    { "type": "uts" }, { "type": "cgroup" }, { "type": "network" } ],
    "maskedPaths": [ "/proc/kcore", "/proc/keys", "/proc/timer_list" ],
    "readonlyPaths": [ "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" ]
  }
}
END
	chown -R "$uid:$gid" "$1"
}

# A process in a mount namespace without the v2 tree, as root.
hide_unified() {
	local ready
	[ "$uid" = 0 ] || return 1
	coproc unshare --mount sh -c 'umount /sys/fs/cgroup/unified && echo ready && exec sleep infinity' 2>/dev/null
	hidden=$COPROC_PID
	read -r ready <&"${COPROC[0]}" && [ "$ready" = ready ]
}

peers=(
	--peer "posix_spawn /bin/true" -- /bin/true
	--peer "posix_spawn, static true" -- "$true_static"
)
if [ -x "$work/bin/corral" ]; then
	peers+=(--peer "corral run" -- "$work/bin/corral" run -- /bin/true)
else
	skip "corral run" "not in this build"
	status=1
fi
if command -v bwrap >/dev/null; then
	peers+=(--peer "bubblewrap" -- bwrap --unshare-all --unshare-user --die-with-parent
		--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64
		--proc /proc --dev /dev --tmpfs /tmp -- /bin/true)
else
	skip bubblewrap "not installed"
fi
for runtime in crun runc; do
	if ! command -v "$runtime" >/dev/null; then
		skip "$runtime" "not installed"
		continue
	fi
	make_bundle "$work/$runtime"
	options=(--root "$work/state/$runtime")
	placed=()
	if [ "$runtime" = crun ]; then
		[ "$uid" = 0 ] || options+=(--cgroup-manager=disabled)
		# crun refuses hosts with both versions of cgroups, so it does not get to see the second.
		if [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
			hide_unified || { skip crun "refuses hybrid cgroups" && continue; }
			placed=(--mount-ns "/proc/$hidden/ns/mnt")
		fi
	fi
	peers+=(--peer "$runtime" "${placed[@]}" -- "$runtime" "${options[@]}" run --bundle "$work/$runtime" "corral-bench-$$")
done
# The engine that answers; without one, one for this run alone (tests/docker/engine.sh).
start_engine() {
	! docker info >/dev/null 2>&1 || return 0
	[ "$uid" = 0 ] && command -v dockerd >/dev/null || return 1
	"$source_dir/tests/docker/engine.sh" start "$work/engine" "$build" >"$work/engine.log" 2>&1 || return 1
	engine=$work/engine
	set -a
	. "$engine/env"
	set +a
}

if ! command -v docker >/dev/null; then
	skip "docker run, docker exec, the Docker backend, sessions on Docker" "not installed"
elif [ -n "$as_user" ]; then
	skip "docker run, docker exec, the Docker backend, sessions on Docker" "not an ordinary user's"
elif ! start_engine; then
	skip "docker run, docker exec, the Docker backend, sessions on Docker" "no engine answers, and none could be started"
else
	mkdir -p "$work/image/bin" && cp "$true_static" "$work/image/bin/true"
	docker_image=corral-bench:$$
	if tar -C "$work/image" -c . | docker import - "$docker_image" >/dev/null &&
		docker_container=$(docker run -d --network none "$docker_image" /bin/true sleep); then
		peers+=(--peer "docker exec" -- docker exec "$docker_container" /bin/true
			--peer "docker run" -- docker run --rm --network none "$docker_image" /bin/true)
	else
		skip "docker run, docker exec" "the engine refused the image"
		status=1
	fi
fi

printf 'Linux %s, %s CPUs, %s mounts, uid %s, %s rounds\n\n' "$(uname -r)" "$(nproc)" \
	"$(wc -l </proc/self/mountinfo)" "$uid" "$rounds"
"${prefix[@]}" "$bench" --rounds "$rounds" --title "Whole processes" --json "$work/out/process.json" \
	--tsv "$work/out/process.tsv" "${peers[@]}" || status=1

# --- The library ------------------------------------------------------------------------------------

situations=() # names of results in out/, in order
library() { # NAME TITLE OPTION...
	local name=$1 title=$2
	shift 2
	echo
	if "$build/tools/bench/corral-bench-library" --title "$title" --json "$work/out/$name.json" \
		--tsv "$work/out/$name.tsv" "$@"; then
		situations+=("$name")
	else
		status=1
	fi
}

memory_kb=
if [ -z "$as_user" ] && [ -x "$build/tools/bench/corral-bench-library" ]; then
	# A second figure of the same kind tells what is noise: "small" is run first and last.
	n=2000 boxes=500 rss=4G
	[ -z "$quick" ] || n=200
	available=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
	if [ "$available" -lt 6 ]; then
		rss=1G
		skip "a caller of 4 GB" "$available GB of memory available: 1 GB instead"
	fi
	library small "Library: a caller of 10 MB" --rounds "$n" --rss 10M --stages
	if [ "$(id -u)" = 0 ]; then
		library mounts "Library: 1,000 mounts more on the host" --rounds "$n" --mounts 1000
	else
		skip "1,000 host mounts" "needs root"
	fi
	library large "Library: a caller of $rss" --rounds "$n" --rss "$rss"
	library threads "Library: a caller with 64 threads" --rounds "$n" --threads 64
	library cold "Library: nothing made ahead" --rounds "$n" --cold
	library again "Library: a caller of 10 MB, again" --rounds "$n" --rss 10M
	echo
	if "$build/tools/bench/corral-bench-library" --memory "$boxes" --json "$work/out/memory.json" \
		--tsv "$work/out/memory.tsv"; then
		memory_kb=$(cut -f2 "$work/out/memory.tsv")
	else
		status=1
	fi
fi

# --- For a while, and in a tree ----------------------------------------------------------------------

if [ -z "$as_user" ] && [ -x "$build/tools/corral-bench-network" ] && command -v ip >/dev/null; then
	echo
	"$build/tools/corral-bench-network" "$build/tools/corral" 5 "$work/out/network.tsv" || status=1
fi
if [ -z "$as_user" ] && [ -x "$build/tools/bench/corral-bench-sustained" ]; then
	seconds=60
	[ -z "$quick" ] || seconds=5
	peer=()
	if command -v bwrap >/dev/null; then
		peer=(-- bwrap --unshare-all --unshare-user --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin
			--symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp -- /bin/sh -c true)
	fi
	echo
	"$build/tools/bench/corral-bench-sustained" --seconds "$seconds" --tsv "$work/out/sustained.tsv" "${peer[@]}" || status=1
	# What every host has of the kind: some hundred megabytes of texts.
	tree=/usr/share
	if command -v rg >/dev/null; then
		echo
		"$build/tools/bench/corral-bench-search" --rounds $((quick ? 3 : 10)) --tsv "$work/out/search.tsv" "$tree" ||
			status=1
	else
		skip "grep to ripgrep" "ripgrep is not installed"
	fi
fi

# --- A tree of 50,000 files ---------------------------------------------------------------------------

if [ -z "$as_user" ] && [ -x "$build/tools/bench/corral-bench-files" ]; then
	command -v rg >/dev/null || skip "grep of files, to ripgrep" "ripgrep is not installed"
	command -v fd >/dev/null || command -v fdfind >/dev/null || skip "glob of files, to fd" "fd is not installed"
	echo
	"$build/tools/bench/corral-bench-files" --rounds $((quick ? 5 : 30)) --tsv "$work/out/files.tsv" || status=1
fi

# An image with a shell and nothing else, of the engine that answers.
if [ -n "$docker_image" ]; then
	if command -v busybox >/dev/null && mkdir "$work/shell" "$work/shell/bin" &&
		cp "$(command -v busybox)" "$work/shell/bin/sh" &&
		tar -C "$work/shell" -c . | docker import - "corral-bench-shell:$$" >/dev/null; then
		docker_shell=corral-bench-shell:$$
	else
		skip "the Docker backend, sessions on Docker" "no static busybox for its image (busybox-static)"
	fi
fi

# --- Sessions -----------------------------------------------------------------------------------------

if [ -z "$as_user" ] && [ -x "$build/tools/bench/corral-bench-sessions" ]; then
	sizes=()
	[ -z "$quick" ] || sizes=(--rounds 40 --open 200 --stored 2000)
	echo
	[ -z "$docker_shell" ] || sizes+=(--docker "$docker_shell")
	"$build/tools/bench/corral-bench-sessions" "${sizes[@]}" --tsv "$work/out/sessions.tsv" || status=1
fi

# --- In a container of an engine ----------------------------------------------------------------------

if [ -n "$docker_shell" ] && [ -x "$build/tools/bench/corral-bench-docker" ]; then
	echo
	"$build/tools/bench/corral-bench-docker" --image "$docker_shell" --rounds $((quick ? 10 : 50)) \
		--tsv "$work/out/docker.tsv" || status=1
fi

# --- Against the aims -------------------------------------------------------------------------------

figure() { # FILE NAME COLUMN
	[ ! -f "$work/out/$1.tsv" ] ||
		awk -F'\t' -v name="$2" -v column="$3" '$1 == name { print $column }' "$work/out/$1.tsv"
}

aim_least() { # TEXT VALUE AIM
	if [ -z "$2" ]; then
		printf '  %-8s %s\n' "unknown" "$1: not measured (aim: at least $3)"
	else
		awk -v text="$1" -v value="$2" -v aim="$3" 'BEGIN {
			printf "  %-8s %s: %.2f (aim: at least %s)\n", (value >= aim ? "reached" : "missed"), text, value, aim
		}'
	fi
}

aim() { # TEXT VALUE AIM: at most
	if [ -z "$2" ]; then
		printf '  %-8s %s\n' "unknown" "$1: not measured (aim: at most $3)"
	else
		awk -v text="$1" -v value="$2" -v aim="$3" 'BEGIN {
			printf "  %-8s %s: %.2f (aim: at most %s)\n", value <= aim ? "reached" : "missed", text, value, aim
		}'
	fi
}

difference() { # A B
	[ -z "$1" ] || [ -z "$2" ] || awk -v a="$1" -v b="$2" 'BEGIN { print a - b }'
}

quotient() { # A B
	[ -z "$1" ] || [ -z "$2" ] || awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.4f", a / b }'
}

printf '\nAims (p50 against p50, all of this run)\n'
aim "corral run, to bubblewrap" \
	"$(quotient "$(figure process 'corral run' 4)" "$(figure process bubblewrap 4)")" 0.6
if [ -z "$as_user" ]; then
	fresh='fresh sandbox' live='command in a live sandbox'
	base=$(figure small "$fresh" 8)
	aim "fresh sandbox through the library, to posix_spawn" "$base" 2.0
	aim "the same with nothing made ahead, to posix_spawn" "$(figure cold "$fresh" 8)" 2.0
	aim "command in a live sandbox, to posix_spawn" "$(figure small "$live" 8)" 1.1
	aim "fresh sandbox that stood ready, p99 to its p50" \
		"$(quotient "$(figure small "$fresh" 6)" "$(figure small "$fresh" 4)")" 3
	aim_least "command in a live sandbox, times faster than docker exec" \
		"$(quotient "$(figure process 'docker exec' 4)" "$(figure small "$live" 4)")" 60
	aim "read of 4 kB, to posix_spawn" "$(figure small 'read of a 4 kB file' 8)" 0.5
	aim "write of 4 kB, to posix_spawn" "$(figure small 'write of a 4 kB file' 8)" 0.5
	aim "wake of an ended one with its changes, to posix_spawn" "$(figure small 'wake of an ended one, changes kept' 8)" 3
	aim "wake of an ended one with its workspace, to posix_spawn" \
		"$(figure small 'wake of an ended one, with a workspace' 8)" 3
	aim "grep of a tree, to ripgrep in the same sandbox" "$(figure search 'grep of the file server' 8)" 1.5
	for task in "literal, rare" "literal, frequent" "literal, nowhere" "regex with prefix, rare" \
		"regex with prefix, frequent" "regex without, rare" "regex without, frequent" "literal, any case"; do
		aim "grep of 50,000 files ($task), to ripgrep" "$(figure files "$task" 4)" 1.3
	done
	for task in "glob, rare" "glob, frequent" "glob, all" "glob, all, with what they are"; do
		aim "$task of 50,000 files, to find" "$(figure files "$task" 4)" 1.0
	done
	aim "a connection under allow, microseconds more than under bridge" \
		"$(difference "$(figure network 'connection, allow' 4)" "$(figure network 'connection, bridge' 4)")" 100
	aim "a name looked up and connected to under allow, microseconds more" \
		"$(difference "$(figure network 'look-up, allow' 4)" "$(figure network 'look-up, bridge' 4)")" 100
	aim_least "throughput under allow, to bridge" \
		"$(quotient "$(figure network 'bulk, bridge' 4)" "$(figure network 'bulk, allow' 4)")" 0.95
	aim "a sandbox opened with a network (bridge), to one without" "$(figure network 'opened, bridge' 8)" 1.5
	aim "corral run with a network (bridge), to one without" "$(figure network 'corral run, bridge' 8)" 1.5
	aim_least "fresh sandboxes a second, sustained, to bubblewrap's" \
		"$(quotient "$(figure sustained corral 2)" "$(figure sustained peer 2)")" 4
	for task in "execute of sh -c true" "read of 4 kB" "write of 4 kB" "tree of 200 files out"; do
		aim "$task by the Docker backend, to docker" "$(figure docker "$task" 4)" 0.9
	done
	for task in "get_or_create of a new session" "command in a live session" "command under scope call"; do
		aim "$task, to the same on Docker" \
			"$(quotient "$(figure sessions "$task" 4)" "$(figure sessions "on Docker: $task" 4)")" 0.5
	done
	aim "get_or_create of a live session, to posix_spawn" "$(figure sessions 'get_or_create of a live session' 8)" 0.1
	aim "get_or_create of a new session, to posix_spawn" "$(figure sessions 'get_or_create of a new session' 8)" 2
	aim "command under scope call, to posix_spawn" "$(figure sessions 'command under scope call' 8)" 1.5
	aim "checkpoint of a session with 1 GB of changes, to posix_spawn" \
		"$(figure sessions 'checkpoint of a large session' 8)" 5
	aim "fork of it, to posix_spawn" "$(figure sessions 'fork of a large session' 8)" 5
	aim "100 forks of it, MB of disk" "$(figure sessions '100 forks of it: new disk' 4)" 10
	aim "100 forks of it, MB of memory" "$(figure sessions '100 forks of it: memory' 4)" 10
	aim "undo of 10,000 files, to posix_spawn" "$(figure sessions 'undo of 10,000 files' 8)" 10
	aim "1,000 sessions open, 20 resident, MB of memory" \
		"$(figure sessions '1000 sessions open, 20 resident: memory' 4)" 100
	aim "10,000 stored sessions listed after a restart, ms" \
		"$(figure sessions '10000 stored sessions listed after a restart' 4)" 100
	# Flat: within what the same measurement differs from itself on a busy machine.
	aim "flat: 1,000 host mounts more, to none" "$(quotient "$(figure mounts "$fresh" 8)" "$base")" 1.15
	aim "flat: a caller of ${rss:-4G}, to one of 10M" "$(quotient "$(figure large "$fresh" 8)" "$base")" 1.15
	aim "flat: 64 threads in the caller, to one" "$(quotient "$(figure threads "$fresh" 8)" "$base")" 1.15
	printf '  %-8s %s\n' "noise" "the same measurement twice: $(quotient "$(figure again "$fresh" 8)" "$base")"
	aim "memory of an idle sandbox in kB" "$memory_kb" 300
fi
[ ${#skipped[@]} -eq 0 ] || printf 'Skipped: %s\n' "${skipped[@]}"

if [ -n "$json" ]; then
	{
		printf '{"kernel": "%s", "cpus": %s, "uid": %s' "$(uname -r)" "$(nproc)" "$uid"
		for name in process "${situations[@]}" ${memory_kb:+memory}; do
			[ ! -f "$work/out/$name.json" ] || printf ',\n"%s": %s' "$name" "$(cat "$work/out/$name.json")"
		done
		printf '}\n'
	} >"$json" || status=1
fi
exit "$status"
