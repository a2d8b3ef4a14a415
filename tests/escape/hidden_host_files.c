/* Way out: the host's files: passwords, homes, sockets of its services, logs. */
/* Stopped by: an own root: /usr and a few files of /etc, nothing else. Arguments: host files that
 * must not be there. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/escape/escape.h"

static int is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int r = HELD;

	while (dir && r == HELD && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = escaped("%s has '%s'", path, d->d_name);
	if (dir)
		closedir(dir);
	return r;
}

ESCAPE(hidden_host_files)
{
	static const char *const files[] = {
		"/etc/shadow",
		"/etc/gshadow",
		"/etc/shadow-",
		"/etc/sudoers",
		"/etc/ssh",
		"/etc/machine-id",
		"/etc/fstab",
		"/etc/crontab",
		"/etc/subuid",
		"/run/docker.sock",
		"/var/run/docker.sock",
		"/run/containerd",
		"/run/systemd",
		"/run/dbus",
		"/var/lib/dpkg",
		"/var/lib/docker",
		"/var/log/wtmp",
		"/boot/vmlinuz",
		"/oldroot",
		"/old_root",
		"/.pivot_root",
		"/lost+found",
		"/proc/1/root/etc/shadow",
		"/etc/systemd",
	};
	/* The root's own home and the temporary directory may be there, but empty. */
	static const char *const dirs[] = { "/home",  "/root", "/tmp",  "/var/tmp", "/mnt",
		                            "/media", "/srv",  "/boot", "/var/log", "/run" };
	struct stat st;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		CHECK(refused(files[i], stat(files[i], &st), HIDDEN_ERRNOS));
	for (int i = 0; i < run->argc; i++)
		CHECK(refused(run->argv[i], stat(run->argv[i], &st), HIDDEN_ERRNOS));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		CHECK(is_empty(dirs[i]));
	return HELD;
}
