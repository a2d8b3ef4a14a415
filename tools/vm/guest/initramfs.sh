#!/bin/busybox sh
# shellcheck shell=dash
# First program of the guest: loads the disk driver, mounts the base system, unpacks what this run brings
# (a bare tar archive on the second disk), and hands over to the init that the run asks for.

/bin/busybox mkdir -p /proc /dev /host
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do
	/bin/busybox insmod "/modules/$module"
done </modules/order

/bin/busybox mount -t ext4 -o noatime /dev/vda /host
/bin/busybox tar -x -C /host -f /dev/vdb

# A build tree may lie beneath a directory that only root can enter.
while read -r directory; do
	/bin/busybox chmod a+x "/host$directory"
done </host/.corral-vm/parents

read -r mode </host/.corral-vm/mode
/bin/busybox umount /proc
/bin/busybox mount -o move /dev /host/dev
if [ "$mode" = systemd-user ]; then
	exec /bin/busybox switch_root /host /lib/systemd/systemd
fi
exec /bin/busybox switch_root /host /.corral-vm/init.sh
