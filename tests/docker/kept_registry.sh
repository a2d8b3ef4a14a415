#!/bin/bash
# A registry (registry.sh) for all tests of this folder, beside the engine that serves them: on a port of the
# loopback address, so that engines take it without TLS. Everybody may push to it; what it stores is in memory.
#
# usage: kept_registry.sh start DIR                as ctest's fixture; exit 77: not to be had here
#        kept_registry.sh stop DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/docker/images.sh
. "$here/images.sh"

answers() { # PORT
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# On a port that nobody has; somebody may take it meanwhile, then the registry ends, and another is tried.
serve() {
	local port registry tries
	mount -t tmpfs -o mode=755 none /run
	while :; do
		port=$((20000 + RANDOM % 12000))
		! answers "$port" || continue
		"$here/registry.sh" serve /run/registry "$port" &
		registry=$!
		for ((tries = 0; tries < 100; tries++)); do
			kill -0 "$registry" 2>/dev/null || break
			! answers "$port" || break 2
			sleep 0.1
		done
		kill "$registry" 2>/dev/null || true
		wait "$registry" || true
	done
	echo "CORRAL_TEST_REGISTRY=127.0.0.1:$port" >"$KEEP_DIR/env.new"
	mv "$KEEP_DIR/env.new" "$KEEP_DIR/env"
	wait "$registry"
}

case ${1:-} in
start)
	dir=$(absolute "$2")
	[ "$(id -u)" = 0 ] || skip "$dir" "the registry is started by root alone, as the engines are"
	reason=$("$here/registry.sh" --check) || skip "$dir" "$reason"
	exec "$here/keep.sh" start "$dir" "$here/kept_registry.sh" --serve
	;;
stop) exec "$here/keep.sh" stop "$(absolute "$2")" ;;
--serve) serve ;;
*)
	sed -n 's/^# usage: /usage: /p; s/^#        kept/       kept/p' "$here/kept_registry.sh" >&2
	exit 2
	;;
esac
