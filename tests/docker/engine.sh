#!/bin/bash
# A Docker engine for tests/docker/test_*.c: dockerd of the host, alone with itself. It sees /run and /etc
# with layers of memory on top and keeps all it writes there; its socket is in DIR, where the tests are told
# of it (keep.sh). Containers have no network but the host's, and no rule of a firewall is touched.
#
# Its images: corral-test/base, Debian with Python 3 (tools/vm/image.sh); corral-test/busybox, a busybox and
# nothing else; corral-test/scratch, one static program and nothing else.
#
# usage: engine.sh start DIR BUILD_DIR                     as ctest's fixture; exit 77: not to be had here
#        engine.sh bare DIR DATA                          one without images, with its files in DATA, until its caller ends
#        engine.sh stop DIR
#        engine.sh run BUILD_DIR PROGRAM [ARG...]          an engine for this one program
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/docker/images.sh
. "$here/images.sh"

check() {
	command -v dockerd >/dev/null || skip "$1" "dockerd is not installed (docker.io)"
	command -v docker >/dev/null || skip "$1" "docker is not installed (docker.io or docker-cli)"
	check_common "$1" "$1/docker.sock"
}

serve() {
	local base=$1 program=$2 work=/run/corral-docker engine tries data
	data=${3:-$work/data}
	mount -t tmpfs -o mode=755 none /run
	mkdir "$work" "$work/etc" "$work/etc-work"
	# The engine writes a key of its own to /etc/docker.
	mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work" none /etc
	# Mounts made by the engine are for the engine: containers get copies.
	mount --make-rshared /
	export DOCKER_HOST=unix://$KEEP_DIR/docker.sock DOCKER_CONFIG=$work/config HOME=$work
	echo '{}' >"$work/daemon.json"
	dockerd --config-file "$work/daemon.json" -H "$DOCKER_HOST" --data-root "$data" --exec-root "$work/exec" \
		-p "$work/pid" --storage-driver overlay2 --iptables=false --ip6tables=false --ip-masq=false \
		--ip-forward=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$KEEP_CGROUP" &
	engine=$!
	for ((tries = 0; tries < 300; tries++)); do
		! docker version >/dev/null 2>&1 || break
		kill -0 "$engine" 2>/dev/null || exit 1
		sleep 0.1
	done
	[ -z "$base" ] || load_images "$work" "$base" "$program" docker
	tell_tests docker
	wait "$engine"
}

case ${1:-} in
start)
	dir=$(absolute "$2") build=$(realpath -e "$3")
	check "$dir"
	base=$(base_system "$dir")
	program=$(static_program "$dir" "$build")
	exec "$here/keep.sh" start "$dir" "$here/engine.sh" --serve "$base" "$program"
	;;
bare)
	dir=$(absolute "$2")
	check "$dir"
	exec "$here/keep.sh" start "$dir" "$here/engine.sh" --serve '' '' "$(absolute "$3")"
	;;
stop) exec "$here/keep.sh" stop "$(absolute "$2")" ;;
run)
	dir=$(mktemp -d "${TMPDIR:-/tmp}/corral-engine.XXXXXX")
	trap '"$here/keep.sh" stop "$dir"; rm -rf "$dir"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	status=0
	"$here/engine.sh" start "$dir" "$2" >&2 || exit
	"$here/keep.sh" with "$dir" -- "${@:3}" || status=$?
	exit "$status"
	;;
--serve) serve "${@:2}" ;;
*)
	sed -n 's/^# usage: /usage: /p; s/^#        engine/       engine/p' "$here/engine.sh" >&2
	exit 2
	;;
esac
