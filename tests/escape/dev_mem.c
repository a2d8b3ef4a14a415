/* Way out: device nodes of the host: memory, disks, kvm, fuse, tun, loop. */
/* Stopped by: a minimal /dev of the sandbox's own. */
#include <fcntl.h>
#include <stdio.h>

#include "tests/escape/escape.h"

ESCAPE(dev_mem)
{
	static const char *const names[] = {
		"mem",           "kmem",        "port",           "kmsg",      "sda",
		"vda",           "nvme0n1",     "dm-0",           "loop0",     "kvm",
		"fuse",          "net/tun",     "loop-control",   "vhost-net", "vhost-vsock",
		"vsock",         "uinput",      "tty0",           "tty1",      "ttyS0",
		"hpet",          "rtc0",        "mapper/control", "dri/card0", "snd/seq",
		"uhid",          "userfaultfd", "hwrng",          "nvram",     "cuse",
		"btrfs-control", "autofs",      "rfkill",         "vfio/vfio", "ptp0",
	};

	(void)run;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/dev/%s", names[i]);
		CHECK(cannot_open(path, O_RDONLY));
		CHECK(cannot_open(path, O_WRONLY));
	}
	return HELD;
}
