#!/bin/bash
# The parts of the test machine that do not change from run to run: kernel, initramfs and base system.
# Built once into the cache, named after everything that goes into them; prints the directory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CORRAL_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/corral-vm}
modules="virtio_pci virtio_blk virtio_console"

usage() {
	cat <<'TEXT'
usage: tools/vm/image.sh [--check] [--clean]

Builds the test machine's kernel, initramfs and base system (Debian packages, about a minute, as root) if the
cache has none, and prints the directory that holds them: vmlinuz, initrd, root.ext4, root.tar.zst, root.list.

  --check   change nothing: exit 0 when a machine can be had here, else say what is missing and exit 1
  --clean   remove the cache

CORRAL_VM_CACHE names the cache directory; default: ${XDG_CACHE_HOME:-~/.cache}/corral-vm.
TEXT
}

fail() {
	echo "tools/vm/image.sh: $*" >&2
	exit 1
}

# shellcheck disable=SC1091 # the host's own file
codename() {
	. /etc/os-release
	[ "${ID:-}" = debian ] || fail "the guest is made of the host's Debian packages, and this is ${ID:-unknown}"
	echo "${VERSION_CODENAME:?}"
}

stamp_of() {
	# shellcheck disable=SC2016 # the dollars are apt's, not the shell's
	{
		codename
		cat "$here/image.sh" "$here/guest/initramfs.sh" "$here/guest/packages.txt"
	} | sha256sum | cut -c1-16
}

check() {
	local tool missing=""
	[ "$(uname -m)" = x86_64 ] || fail "the machine is x86_64, this host is $(uname -m)"
	command -v qemu-system-x86_64 >/dev/null || missing+=" qemu-system-x86"
	if [ ! -e "$cache/$stamp/root.ext4" ]; then
		for tool in debootstrap:debootstrap busybox:busybox-static mke2fs:e2fsprogs cpio:cpio zstd:zstd; do
			PATH=$PATH:/usr/sbin:/sbin command -v "${tool%:*}" >/dev/null || missing+=" ${tool#*:}"
		done
		[ -n "$missing" ] || [ "$(id -u)" = 0 ] ||
			fail "the base system is built by root: run tools/vm/image.sh once as root with CORRAL_VM_CACHE=$cache"
	fi
	[ -z "$missing" ] || fail "not installed: apt-get install$missing"
}

# The mirror this host uses itself for the release that it runs.
mirror_of() {
	# shellcheck disable=SC2016 # the dollars are apt's, not the shell's
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$1" '$1 == release { print $2; exit }'
}

build_kernel() {
	local package
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
	[ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64: run apt-get update"
	mkdir kernel
	(cd kernel && apt-get -qq -o APT::Sandbox::User=root download "$package")
	dpkg -x kernel/*.deb kernel/tree
	cp kernel/tree/boot/vmlinuz-* vmlinuz
}

# The modules in the order of their dependencies, as the base system's own modprobe tells it.
build_initrd() {
	local version module file
	version=$(basename root/usr/lib/modules/*)
	mkdir -p initramfs/bin initramfs/modules
	cp "$(command -v busybox)" initramfs/bin/busybox
	install -m 755 "$here/guest/initramfs.sh" initramfs/init
	for module in $modules; do
		chroot root modprobe -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >insmods
	while read -r file; do
		module=$(basename "${file%.ko*}").ko
		case $file in
		*.xz) xz -dc "root$file" >"initramfs/modules/$module" ;;
		*.zst) zstd -qdc "root$file" >"initramfs/modules/$module" ;;
		*) cp "root$file" "initramfs/modules/$module" ;;
		esac
		echo "$module" >>initramfs/modules/order
	done <insmods
	(cd initramfs && find . | cpio --quiet -o -H newc -R 0:0) >initrd
}

# A mount and a pid namespace of its own: whatever way this ends, no mount and no process of it stays.
build_root() {
	local release=$1 mirror=$2 include
	include=$(paste -sd, "$here/guest/packages.txt")
	setpriv --pdeathsig KILL -- \
		unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
		debootstrap --variant=minbase --include="$include" "$release" root "$mirror" >debootstrap.log 2>&1 &
	wait $! || {
		tail -5 debootstrap.log >&2
		fail "debootstrap failed"
	}
	rm -rf root/var/cache/apt/* root/var/lib/apt/lists/* root/var/log/* root/usr/share/{doc,man,locale,info}/*
	configure_root
}

configure_root() {
	echo corral-vm >root/etc/hostname
	printf '127.0.0.1 localhost corral-vm\n::1 localhost\n' >root/etc/hosts
	: >root/etc/resolv.conf
	: >root/etc/fstab
	echo 6c5c1d3b0f2e4a5f9d8b7a6c5e4f3a2b >root/etc/machine-id
	chroot root useradd --uid 1000 --create-home --shell /bin/bash tester
	echo tester:100000:65536 >root/etc/subuid
	echo tester:100000:65536 >root/etc/subgid
	mkdir -p root/var/lib/systemd/linger
	: >root/var/lib/systemd/linger/tester
	mask_units
	ln -sf /lib/systemd/system/multi-user.target root/etc/systemd/system/default.target
}

# What a machine that lives for one command does not need; emulated, each costs a good part of a second.
mask_units() {
	local unit generator
	for unit in systemd-udevd systemd-timesyncd systemd-networkd systemd-resolved systemd-binfmt \
		systemd-update-utmp systemd-update-utmp-runlevel systemd-random-seed systemd-machine-id-commit \
		systemd-journal-flush systemd-sysusers systemd-tmpfiles-setup-dev systemd-modules-load \
		systemd-remount-fs kmod-static-nodes modprobe@; do
		ln -sf /dev/null "root/etc/systemd/system/$unit.service"
	done
	for unit in getty.target remote-fs.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		fstrim.timer e2scrub_all.timer systemd-tmpfiles-clean.timer systemd-ask-password-wall.path \
		systemd-ask-password-console.path systemd-initctl.socket dev-hugepages.mount \
		sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
		proc-sys-fs-binfmt_misc.automount; do
		ln -sf /dev/null "root/etc/systemd/system/$unit"
	done
	mkdir -p root/etc/systemd/system-generators
	for generator in root/lib/systemd/system-generators/*; do
		ln -sf /dev/null "root/etc/systemd/system-generators/$(basename "$generator")"
	done
}

build() {
	local release mirror
	release=$(codename)
	mirror=$(mirror_of "$release")
	[ -n "$mirror" ] || fail "apt has no source for $release: run apt-get update"
	echo "tools/vm: building the test machine in $cache (once, about a minute)" >&2
	build_kernel
	build_root "$release" "$mirror"
	tar -C root -c . | zstd -q -3 -T0 -o root.tar.zst
	cp -a kernel/tree/lib/modules root/usr/lib/
	chroot root depmod "$(basename root/usr/lib/modules/*)"
	build_initrd
	(cd root && find . -printf '/%P\n') >root.list
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d root root.ext4 2G
	rm -rf root kernel initramfs insmods debootstrap.log
	: >in-use
}

# Removes what other versions of these scripts left, unless a machine runs from it.
prune() {
	local old
	for old in "$cache"/????????????????; do
		if [ ! -d "$old" ] || [ "$old" = "$cache/$stamp" ]; then
			continue
		fi
		flock -n -x "$old/in-use" rm -rf "$old" || true
	done
}

stamp=$(stamp_of)
case ${1:-} in
"") ;;
--check)
	check
	exit 0
	;;
--clean)
	rm -rf "$cache"
	exit 0
	;;
*)
	usage
	[ "$1" = --help ] && exit 0
	exit 2
	;;
esac

check
mkdir -p "$cache"
if [ ! -e "$cache/$stamp/root.ext4" ]; then
	exec {lock}>"$cache/lock"
	flock -x "$lock"
	if [ ! -e "$cache/$stamp/root.ext4" ]; then
		rm -rf "$cache/building"
		trap 'rm -rf "$cache/building"' EXIT
		trap 'exit 125' INT TERM HUP
		mkdir "$cache/building"
		cd "$cache/building"
		build >&2
		cd /
		mv "$cache/building" "$cache/$stamp"
		prune
	fi
	exec {lock}>&-
fi
echo "$cache/$stamp"
