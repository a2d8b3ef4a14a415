/* Way out: the kernel's memory and timers, as files. */
/* Stopped by: an empty file or directory over each of them. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "tests/escape/escape.h"

ESCAPE(proc_kcore)
{
	static const char *const files[] = {
		"/proc/kcore",       "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/kpagecount",    "/proc/kpageflags",
		"/proc/vmcore",      "/proc/interrupts",
	};
	static const char *const dirs[] = { "/proc/acpi", "/proc/asound", "/proc/scsi" };

	(void)run;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		CHECK(cannot_read(files[i]));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *d;

		while (dir && (d = readdir(dir)))
			if (d->d_name[0] != '.')
				return escaped("%s has '%s'", dirs[i], d->d_name);
		if (dir)
			closedir(dir);
	}
	return HELD;
}
