#!/bin/sh
# Runs the command of this run in its mode, and sends its output and its exit status out of the guest.
# Output takes a pipe on its way to the port, so that `>/dev/stderr` works, which opens it once more.

read -r mode </.corral-vm/mode
mkdir -p /run/corral-vm
mkfifo -m 666 /run/corral-vm/out /run/corral-vm/err
cat </run/corral-vm/out >/dev/vport0p1 &
out=$!
cat </run/corral-vm/err >/dev/vport0p2 &
err=$!

as_tester() {
	setpriv --reuid=1000 --regid=1000 --init-groups --inh-caps=-all \
		env -i HOME=/home/tester USER=tester LOGNAME=tester SHELL=/bin/bash LANG=C.UTF-8 \
		PATH=/usr/local/bin:/usr/bin:/bin "$@"
}

as_root() {
	env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

run() {
	case $mode in
	root)
		as_root setsid --wait /.corral-vm/argv.sh
		;;
	user)
		# What a login gives: a runtime directory, and a cgroup of its own which it may not write to.
		install -d -m 711 /run/user
		install -d -m 700 -o 1000 -g 1000 /run/user/1000
		mkdir -p /sys/fs/cgroup/user.slice/session.scope
		echo 0 >/sys/fs/cgroup/user.slice/session.scope/cgroup.procs
		as_tester XDG_RUNTIME_DIR=/run/user/1000 setsid --wait /.corral-vm/argv.sh
		;;
	systemd-user)
		as_tester XDG_RUNTIME_DIR=/run/user/1000 \
			DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus \
			systemd-run --user --scope --quiet -p Delegate=yes -- /.corral-vm/argv.sh
		;;
	esac
}

cd /
(run) </dev/null >/run/corral-vm/out 2>/run/corral-vm/err
status=$?

# A process that was left behind may hold the pipes: what it writes after the end is not waited for.
(
	sleep 2
	kill "$out" "$err"
) 2>/dev/null &
wait "$out" "$err" 2>/dev/null
echo "$status" >/dev/vport0p3
