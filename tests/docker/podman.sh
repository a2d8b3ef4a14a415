#!/bin/bash
# Podman's service for the same tests as engine.sh serves, with the same images. It shares nothing with a Podman
# of the host: storage and state are in memory, and what it takes for the roots of the control groups' trees is
# a group of ours, as there is no other way of telling it where its groups shall be.
#
# usage: podman.sh start DIR BUILD_DIR                     as ctest's fixture; exit 77: not to be had here
#        podman.sh stop DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/docker/images.sh
. "$here/images.sh"

# crun refuses hosts with both versions of control groups.
runtime_of_host() {
	local name
	for name in crun runc; do
		if [ "$name" = crun ] && [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
			continue
		fi
		! command -v "$name" >/dev/null || { echo "$name" && return; }
	done
}

check() {
	local tool
	for tool in podman docker conmon; do
		command -v "$tool" >/dev/null || skip "$1" "$tool is not installed"
	done
	[ -n "$(runtime_of_host)" ] || skip "$1" "no runtime for Podman: crun cannot be used here, runc is not installed"
	check_common "$1" "$1/podman.sock"
}

# A group of ours in each tree of control groups, and this process in it.
enter_cgroups() {
	local root file
	while read -r root; do
		mkdir "$root/$KEEP_CGROUP"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$root/$KEEP_CGROUP/$file" ] || [ ! -e "$root/$file" ] ||
				cat "$root/$file" >"$root/$KEEP_CGROUP/$file"
		done
		echo $$ >"$root/$KEEP_CGROUP/cgroup.procs"
	done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET)
}

# In a namespace of control groups the trees begin with our groups, once they are mounted anew.
mount_cgroups() {
	local root type options controllers
	while read -r root type options; do
		umount "$root"
		[ "$type" = cgroup2 ] || options=$(tr , '\n' <<<"$options" | grep -vE '^(rw|ro)$' | paste -sd,)
		[ "$type" = cgroup ] || options=
		mount -t "$type" ${options:+-o "${options/name=/none,name=}"} none "$root"
		[ "$type" = cgroup2 ] || continue
		# Controllers are handed down by groups that hold no process themselves.
		mkdir "$root/podman"
		echo $$ >"$root/podman/cgroup.procs"
		controllers=$(sed 's/[a-z_]*/+&/g' "$root/cgroup.controllers")
		[ -z "$controllers" ] || echo "$controllers" >"$root/cgroup.subtree_control"
	done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET,FSTYPE,FS-OPTIONS)
}

# Podman keeps what it knows of layers in a place that cannot be configured.
cover_var_lib() {
	case $KEEP_DIR in /var/lib/*) return ;; esac
	mkdir "$1/var-lib" "$1/var-lib-work"
	mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/var-lib,workdir=$1/var-lib-work" none /var/lib
}

configure() {
	mkdir "$1/runtime"
	cat >"$1/containers.conf" <<-TEXT
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "$(runtime_of_host)"
		tmp_dir = "$1/libpod"
		volume_path = "$1/volumes"
		[containers]
		netns = "none"
		log_driver = "k8s-file"
	TEXT
	cat >"$1/storage.conf" <<-TEXT
		[storage]
		driver = "overlay"
		graphroot = "$1/storage"
		runroot = "$1/run"
	TEXT
	# Docker's engine needs no word to do without TLS on the loopback address.
	cat >"$1/registries.conf" <<-TEXT
		unqualified-search-registries = ["docker.io"]
		[[registry]]
		location = "127.0.0.1"
		insecure = true
	TEXT
	export CONTAINERS_CONF=$1/containers.conf CONTAINERS_STORAGE_CONF=$1/storage.conf
	export CONTAINERS_REGISTRIES_CONF=$1/registries.conf XDG_RUNTIME_DIR=$1/runtime HOME=$1 TMPDIR=$1
}

serve() {
	enter_cgroups
	exec unshare --cgroup -- "$here/podman.sh" --serve-within "$@"
}

serve_within() {
	local base=$1 program=$2 work=/run/corral-podman engine tries
	mount -t tmpfs -o mode=755 none /run
	mkdir "$work"
	mount --make-rshared /
	mount_cgroups
	cover_var_lib "$work"
	configure "$work"
	# Where memory ran out, its monitors leave a file where they are.
	cd "$work"
	export DOCKER_HOST=unix://$KEEP_DIR/podman.sock DOCKER_CONFIG=$work/config
	podman system service --time=0 "$DOCKER_HOST" &
	engine=$!
	for ((tries = 0; tries < 300; tries++)); do
		! docker version >/dev/null 2>&1 || break
		kill -0 "$engine" 2>/dev/null || exit 1
		sleep 0.1
	done
	load_images "$work" "$base" "$program" podman
	tell_tests podman
	wait "$engine"
}

case ${1:-} in
start)
	dir=$(absolute "$2") build=$(realpath -e "$3")
	check "$dir"
	base=$(base_system "$dir")
	program=$(static_program "$dir" "$build")
	exec "$here/keep.sh" start "$dir" "$here/podman.sh" --serve "$base" "$program"
	;;
stop) exec "$here/keep.sh" stop "$(absolute "$2")" ;;
--serve) serve "${@:2}" ;;
--serve-within) serve_within "${@:2}" ;;
*)
	sed -n 's/^# usage: /usage: /p; s/^#        podman/       podman/p' "$here/podman.sh" >&2
	exit 2
	;;
esac
