#!/bin/bash
# Boots a test machine, runs one command in it, and returns what the command wrote and its exit status.
#
# Processes: this shell, qemu beneath timeout(1), and two cat(1) that carry the guest's output. Each dies with
# its parent (PR_SET_PDEATHSIG), and every file of a run is opened and unlinked before qemu starts, so that
# nothing stays, whichever of them is killed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	cat <<'TEXT'
usage: tools/vm/run.sh [options] -- COMMAND [ARG...]

Boots Debian's cloud kernel in qemu (software emulation) over a small Debian system with pure cgroup v2, runs
COMMAND inside as that mode says, and returns its output and exit status. Nothing of a run outlives it.

  --mode MODE           root          as root, a plain init (default)
                        user          as user `tester` (uid 1000, ranges in /etc/subuid), no delegated cgroup
                        systemd-user  as `tester` in a delegated scope of its user manager, systemd as init
  --build DIR           bring a build tree's programs and the sources it was made from, at their own paths,
                        with the shared libraries they need
  --add PATH[:GUEST]    bring a file or directory (repeatable); programs with their libraries
  --timeout SECONDS     for everything, boot included (default 300)
  --append ARGS         more arguments for the kernel
  --memory MIB          the machine's memory (default 1024)
  --verbose             the machine's console on stderr
  --check               run nothing: exit 0 when a machine can be had here, else say what is missing

Exit status: COMMAND's own; 124 on timeout; 125 when the machine failed (its console is printed then).
tools/vm/image.sh builds and caches what stays the same between runs; see its --help.
TEXT
}

fail() {
	echo "tools/vm/run.sh: $*" >&2
	exit 125
}

# Dies with its caller: started again under a death signal, which stays set across exec.
if [ "${CORRAL_VM_GUARDED:-}" != $$ ]; then
	CORRAL_VM_GUARDED=$$ exec setpriv --pdeathsig TERM -- "${BASH_SOURCE[0]}" "$@"
fi

mode=root
build=""
timeout=300
append=""
memory=1024
verbose=""
adds=()
dir=""
qemu=""

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--help)
			usage
			exit 0
			;;
		--check) exec "$here/image.sh" --check ;;
		--verbose) verbose=1 ;;
		--mode | --build | --add | --timeout | --append | --memory)
			[ $# -ge 2 ] || fail "$1 needs a value"
			case $1 in
			--mode) mode=$2 ;;
			--build) build=$2 ;;
			--add) adds+=("$2") ;;
			--timeout) timeout=$2 ;;
			--append) append=$2 ;;
			--memory) memory=$2 ;;
			esac
			shift
			;;
		--)
			shift
			command=("$@")
			break
			;;
		*) fail "unknown option '$1' (see --help; the command stands behind --)" ;;
		esac
		shift
	done
	[ "${#command[@]}" -gt 0 ] || fail "no command (tools/vm/run.sh [options] -- COMMAND)"
	case $mode in
	root | user | systemd-user) ;;
	*) fail "unknown mode '$mode': root, user or systemd-user" ;;
	esac
	[[ $timeout =~ ^[0-9]+$ ]] || fail "--timeout is a number of seconds, not '$timeout'"
	[[ $memory =~ ^[0-9]+$ ]] || fail "--memory is a number of MiB, not '$memory'"
	[ -z "$build" ] || [ -d "$build" ] || fail "no build tree '$build'"
}

# shellcheck disable=SC2317 # a trap calls it
clean_up() {
	trap '' INT TERM HUP
	if [ -n "$qemu" ]; then
		kill -KILL "$qemu" 2>/dev/null || true
	fi
	[ -z "$dir" ] || rm -rf "$dir"
}

# Programs and libraries of a build tree, and its sources: what tests name by path. One path a line.
list_build() {
	local tree=$1 source
	find "$tree" \( -name CMakeFiles -o -name .ninja_log \) -prune -o \
		\( -type l -o -type f \( -perm /111 -o -name '*.so*' \) \) -print
	[ -f "$tree/CMakeCache.txt" ] || return 0
	source=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$tree/CMakeCache.txt")
	find "$source" \( -name '.git' -o -name '.cache' -o -name 'build*' \) -prune -o -type f -print
}

# Shared libraries of the listed programs which the base system lacks, copied to where it looks for them. Of a thousand
# sources none is asked for libraries: ldd starts some processes for each.
stage_libraries() {
	local list=$1 library place
	{ LC_ALL=C xargs -d '\n' -r grep -lasP -m 1 '\A\x7fELF' <"$list" || true; } |
		{ xargs -d '\n' -r ldd 2>/dev/null || true; } |
		sed -n 's/.* => \(\/[^ ]*\) (0x.*/\1/p' | sort -u |
		while read -r library; do
			place=$(realpath "$(dirname "$library")")/$(basename "$library")
			if grep -qxF "$place" "$image/root.list" || grep -qxF "$library" "$list"; then
				continue
			fi
			mkdir -p "$dir/stage$(dirname "$place")"
			cp -L "$library" "$dir/stage$place"
		done
}

# What this run brings, as one archive: the guest reads it from its second disk.
pack() {
	local add host guest
	mkdir -p "$dir/stage/.corral-vm" "$dir/stage/etc/systemd/system/multi-user.target.wants"
	cp "$here/guest/init.sh" "$here/guest/command.sh" "$dir/stage/.corral-vm/"
	cp "$here/guest/corral-vm.service" "$dir/stage/etc/systemd/system/"
	ln -s ../corral-vm.service "$dir/stage/etc/systemd/system/multi-user.target.wants/"
	# The tree may lie below /tmp, which systemd would empty when it boots.
	mkdir -p "$dir/stage/etc/tmpfiles.d"
	echo 'd /tmp 1777 root root -' >"$dir/stage/etc/tmpfiles.d/tmp.conf"
	echo "$mode" >"$dir/stage/.corral-vm/mode"
	printf '#!/bin/bash\nexec %s\n' "${command[*]@Q}" >"$dir/stage/.corral-vm/argv.sh"
	chmod 755 "$dir/stage/.corral-vm/"*.sh

	: >"$dir/list"
	[ -z "$build" ] || list_build "$(realpath "$build")" >>"$dir/list"
	for add in ${adds[@]+"${adds[@]}"}; do
		host=${add%%:*}
		[ -e "$host" ] || fail "--add: no file '$host'"
		host=$(realpath "$host")
		if [[ $add == *:* ]]; then
			guest=${add#*:}
			[[ $guest == /* ]] || fail "--add: '$guest' is not an absolute path"
			mkdir -p "$dir/stage$(dirname "$guest")"
			cp -aT "$host" "$dir/stage$guest"
			find "$host" -type f -perm /111 -print >>"$dir/renamed"
		else
			find "$host" \( -type f -o -type l -o -type d -empty \) -print >>"$dir/list"
		fi
	done
	touch "$dir/renamed"
	sort -u -o "$dir/list" "$dir/list"
	cat "$dir/list" "$dir/renamed" >"$dir/programs"
	stage_libraries "$dir/programs"
	awk -F/ '{ p = ""; for (i = 2; i < NF; i++) { p = p "/" $i; print p } }' "$dir/list" |
		sort -u >"$dir/stage/.corral-vm/parents"

	# Another build may be under way in the tree: a file that vanishes is none that is wanted.
	tar -P -c -f "$dir/add.tar" --owner=0 --group=0 --mode=a+rX,go-w --ignore-failed-read \
		--warning=no-failed-read -C "$dir/stage" . -C / --no-recursion -T <(sed 's,^/,,' "$dir/list")
	rm -rf "$dir/stage"
}

boot() {
	local args="console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off random.trust_cpu=on nokaslr"

	args+=" tsc=reliable no_timer_check cryptomgr.notests net.ifnames=0 systemd.show_status=0"
	args+=" systemd.default_timeout_start_sec=300 $append"
	: >"$dir/status"
	: >"$dir/console"
	exec {tar}<"$dir/add.tar" {status}<>"$dir/status" {console}<>"$dir/console"
	exec {out}> >(exec setpriv --pdeathsig KILL cat)
	out_cat=$!
	exec {err}> >(exec setpriv --pdeathsig KILL cat >&2)
	err_cat=$!
	rm -rf "$dir"
	dir=""

	setpriv --pdeathsig KILL -- timeout --foreground --kill-after=5 "$timeout" \
		setpriv --pdeathsig KILL -- qemu-system-x86_64 -no-user-config -nodefaults -display none \
		-accel tcg,thread=multi,tb-size=512 -cpu max,la57=off -m "$memory" -smp 2 -no-reboot -nic none \
		-kernel "$image/vmlinuz" -initrd "$image/initrd" -append "$args" \
		-drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
		-drive "file=/dev/fd/$tar,format=raw,if=virtio,read-only=on" \
		-chardev "file,id=console,path=/dev/fd/$console,append=on" -serial chardev:console \
		-device virtio-serial-pci \
		-chardev "file,id=out,path=/dev/fd/$out,append=on" -device virtserialport,chardev=out,nr=1,name=out \
		-chardev "file,id=err,path=/dev/fd/$err,append=on" -device virtserialport,chardev=err,nr=2,name=err \
		-chardev "file,id=status,path=/dev/fd/$status,append=on" \
		-device virtserialport,chardev=status,nr=3,name=status </dev/null >&"$err" 2>&1 &
	qemu=$!
}

finish() {
	local result=0 code=""
	wait "$qemu" || result=$?
	qemu=""
	exec {out}>&- {err}>&-
	wait "$out_cat" "$err_cat" || true
	read -r code <&"$status" || true
	if [ -n "$verbose" ] || { [ -z "$code" ] && [ "$result" != 124 ]; }; then
		cat <&"$console" >&2
	fi
	[ -z "$code" ] || exit "$code"
	if [ "$result" = 124 ] || [ "$result" = 137 ]; then
		echo "tools/vm/run.sh: no end within $timeout s" >&2
		exit 124
	fi
	fail "the machine ended without a result (qemu: $result); its console is above"
}

command=()
parse_options "$@"
"$here/image.sh" --check || exit 125
image=$("$here/image.sh")
exec {in_use}<"$image/in-use"
flock -s "$in_use"
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/corral-vm.XXXXXX")
pack
boot
finish
