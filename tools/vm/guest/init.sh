#!/bin/sh
# PID 1 of the modes `root` and `user`: the mounts of an ordinary host, loopback, then the command.

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
# As kmod and udev leave them: opening one loads its module.
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200
[ -e /dev/loop-control ] || mknod -m 660 /dev/loop-control c 10 237
# Shared, as systemd leaves it: what must not leak out of a sandbox is to be seen here when it does.
mount --make-rshared /
hostname corral-vm
ip link set lo up
echo '+cpu +memory +pids +io' >/sys/fs/cgroup/cgroup.subtree_control

/.corral-vm/command.sh
echo b >/proc/sysrq-trigger
sleep 60
