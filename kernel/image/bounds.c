#include "kernel/image/bounds.h"

#include <sys/statvfs.h>

#include "kernel/base/clock.h"

/* statvfs(3) is a microsecond of a local filesystem, and who knows what of another. */
#define LOOK_MS 50

void corral_image_bounds_init(struct corral_image_bounds *b, const struct corral_image_limits *l,
                              int disk_fd)
{
	*b = (struct corral_image_bounds) { .disk_fd = disk_fd };
	b->limits.bytes_max = l && l->bytes_max ? l->bytes_max : CORRAL_IMAGE_BYTES_MAX;
	b->limits.files_max = l && l->files_max ? l->files_max : CORRAL_IMAGE_FILES_MAX;
}

int corral_image_bounds_check(const struct corral_image_bounds *b, uint64_t bytes, uint64_t files,
                              struct corral_error *err)
{
	if (b && bytes > b->limits.bytes_max)
		return corral_error_set(err, EFBIG,
		                        "more than %llu bytes unpacked, which is what an image may "
		                        "have (--max-size)",
		                        (unsigned long long)b->limits.bytes_max);
	if (b && files > b->limits.files_max)
		return corral_error_set(err, EFBIG,
		                        "more than %llu files, which is what an image may have "
		                        "(--max-files)",
		                        (unsigned long long)b->limits.files_max);
	return 0;
}

int corral_image_bounds_add(struct corral_image_bounds *b, uint64_t bytes, uint64_t files,
                            struct corral_error *err)
{
	if (!b)
		return 0;
	bytes += atomic_fetch_add(&b->bytes, bytes);
	files += atomic_fetch_add(&b->files, files);
	return corral_image_bounds_check(b, bytes, files, err);
}

static uint64_t spared(uint64_t usual, uint64_t all)
{
	return usual < all / 20 ? usual : all / 20;
}

static int disk_look(int fd, struct corral_error *err)
{
	uint64_t bytes, files;
	struct statvfs st;

	/* What cannot be asked is found out by writing. */
	if (fstatvfs(fd, &st) < 0)
		return 0;
	bytes = spared(CORRAL_IMAGE_BYTES_SPARED, (uint64_t)st.f_blocks * st.f_frsize);
	files = spared(CORRAL_IMAGE_FILES_SPARED, st.f_files);
	/* Of a small disk, so few are spared that no number of MiB says it. */
	if ((uint64_t)st.f_bavail * st.f_frsize < bytes)
		return corral_error_set(err, ENOSPC,
		                        "less than %llu %s are left on the disk of the store, "
		                        "which others need",
		                        (unsigned long long)(bytes >> 20 ? bytes >> 20
		                                                         : bytes >> 10),
		                        bytes >> 20 ? "MiB" : "KiB");
	/* Some filesystems (btrfs) have no such number: 0 of 0. */
	if (st.f_files && st.f_favail < files)
		return corral_error_set(err, ENOSPC,
		                        "less than %llu inodes are left on the disk of the store, "
		                        "which others need",
		                        (unsigned long long)files);
	return 0;
}

/* Whether it is time to look; by one of the threads that ask. */
static bool is_due(struct corral_image_bounds *b)
{
	uint64_t now = corral_now_ms(), looked = atomic_load(&b->looked_ms);

	return now - looked >= LOOK_MS &&
	       atomic_compare_exchange_strong(&b->looked_ms, &looked, now);
}

int corral_image_bounds_disk(struct corral_image_bounds *b, struct corral_error *err)
{
	return b && b->disk_fd >= 0 && is_due(b) ? disk_look(b->disk_fd, err) : 0;
}

int corral_image_bounds_look(struct corral_image_bounds *b, struct corral_error *err)
{
	int r;

	if (!b || !is_due(b))
		return 0;
	if (b->deadline_ms && corral_now_ms() >= b->deadline_ms)
		return corral_error_set(err, ETIMEDOUT, "it takes too long");
	r = b->tick.call ? b->tick.call(b->tick.ctx, err) : 0;
	return r == 0 && b->disk_fd >= 0 ? disk_look(b->disk_fd, err) : r;
}
