# shellcheck shell=bash
# For the scripts that start an engine, to be sourced: what they need of the host, and the images the tests
# use. They are made anew in each engine, of what the host has, so no registry is asked for anything.
# Whoever sources it has set `here` to this folder.

absolute() {
	mkdir -p "$1"
	realpath -e "$1"
}

# Also tells the tests, which are run all the same and say themselves that they are skipped.
skip() { # DIR REASON
	local dir=$1
	shift
	rm -f "$dir/env"
	echo "$*" >"$dir/why"
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "${0##*/}: $*" >&2
		exit 1
	fi
	echo "skipped: $*"
	exit 77
}

check_common() { # DIR SOCKET
	[ "$(id -u)" = 0 ] || skip "$1" "a container engine is started by root alone"
	command -v busybox >/dev/null || skip "$1" "busybox is not installed (busybox-static)"
	# unix(7); what is longer cannot be connected to.
	[ ${#2} -lt 108 ] || skip "$1" "the path of the engine's socket is too long: $2"
}

# Prints the archive of the base system.
base_system() { # DIR
	local script reason image
	script=${here:?}/../../tools/vm/image.sh
	reason=$("$script" --check 2>&1) || skip "$1" "no base system for the containers: $reason" >&2
	image=$("$script")
	echo "$image/root.tar.zst"
}

# Prints a static program of the build, for the image that has nothing else.
static_program() { # DIR BUILD_DIR
	local program
	for program in "$2/tests/corral-test-probe" "$2/tools/bench/corral-bench-true"; do
		[ ! -x "$program" ] || { echo "$program" && return; }
	done
	skip "$1" "no static program in $2: build it first" >&2
}

busybox_root() { # DIR
	local applet
	mkdir -p "$1"/{bin,etc,root,tmp,proc,sys,dev}
	chmod 1777 "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}

# usage: load_images WORK BASE PROGRAM CLIENT; CLIENT is the command that imports
load_images() {
	local base
	zstd -dc "$2" | "$4" import - corral-test/base:latest >/dev/null &
	base=$!
	busybox_root "$1/busybox"
	tar -C "$1/busybox" -c . | "$4" import --change 'CMD ["/bin/sh"]' - corral-test/busybox:latest >/dev/null
	mkdir "$1/scratch"
	cp "$3" "$1/scratch/program"
	tar -C "$1/scratch" -c program | "$4" import --change 'CMD ["/program"]' - corral-test/scratch:latest >/dev/null
	wait "$base"
	rm -rf "$1/busybox" "$1/scratch"
}

# The server is ready. DOCKER_CONFIG is one without anything in it. usage: tell_tests ENGINE
tell_tests() {
	rm -rf "$KEEP_DIR/config"
	mkdir -p "$KEEP_DIR/config"
	{
		printf 'DOCKER_HOST=%q\n' "$DOCKER_HOST"
		printf 'DOCKER_CONFIG=%q\n' "$KEEP_DIR/config"
		printf 'CORRAL_TEST_ENGINE=%q\n' "$1"
		echo CORRAL_TEST_DOCKER_IMAGE=corral-test/base:latest
		echo CORRAL_TEST_DOCKER_BUSYBOX=corral-test/busybox:latest
		echo CORRAL_TEST_DOCKER_SCRATCH=corral-test/scratch:latest
	} >"$KEEP_DIR/env.new"
	mv "$KEEP_DIR/env.new" "$KEEP_DIR/env"
}
