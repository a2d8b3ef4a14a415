/* The server's program, as a file that nobody can change any more. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/client.h"
#include "kernel/files/internal.h"

extern const char corral_files_image[], corral_files_image_end[];

int corral_files_server_memfd(int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = memfd_create("corral-files", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "memfd_create");
	r = files_write_all(fd, corral_files_image,
	                    (size_t)(corral_files_image_end - corral_files_image));
	if (r < 0)
		return corral_error_sys(err, -r, "write the file server");
	/*
	 * What can be executed and not read makes a process that its user's others cannot look into
	 * (ptrace(2), PR_SET_DUMPABLE): a guest gets no descriptor of this file, which sandboxes
	 * share, by way of /proc/PID/exe.
	 */
	if (fchmod(fd, 0111) < 0)
		return corral_error_sys(err, errno, "chmod the file server");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return corral_error_sys(err, errno, "seal the file server");
	*ret_fd = corral_take_fd(&fd);
	return 0;
}
