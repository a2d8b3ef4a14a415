#include "kernel/image/oci/unpack_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/sigpipe.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/unpack_check.h"
#include "kernel/image/oci/unpack_stage.h"

#define RATIO_DEFAULT 1000u
#define RATIO_FREE    (64ull << 20)
#define BUFFER_SIZE   (1u << 20)
#define TELL_MS       100u
#define STALL_MS      300000u /* nothing moves, and nobody can say why */

/* Bytes on their way from one descriptor to another. */
struct stream {
	char *data;
	size_t at, end;
	bool ended; /* nothing more comes */
};

struct unpacking {
	const struct corral_unpack_options *o;
	struct corral_image_bounds *bounds, own;  /* of the image, or of this archive alone */
	uint64_t ratio_max, bytes_max, files_max; /* what is left of them when it begins */
	int blob_fd;
	bool is_compressed;
	const char *what;
	struct stream archive, tar; /* archive: only of what is compressed */
	struct corral_unpack_stage decompress, extract;
	struct corral_digest *digest;
	uint64_t archive_bytes, archive_total, tar_bytes;
	uint64_t told_ms, moved_ms;
};

static uint64_t rest(uint64_t max, uint64_t used)
{
	return max > used ? max - used : 1;
}

/* What others of its image have is not for this one. */
static void bounds_of(struct unpacking *u, const struct corral_unpack_options *o)
{
	corral_image_bounds_init(&u->own, &o->limits.image, -1);
	u->bounds = o->bounds ? o->bounds : &u->own;
	u->ratio_max = o->limits.ratio_max ? o->limits.ratio_max : RATIO_DEFAULT;
	u->bytes_max = rest(u->bounds->limits.bytes_max, atomic_load(&u->bounds->bytes));
	u->files_max = rest(u->bounds->limits.files_max, atomic_load(&u->bounds->files));
}

/* gzip, zstd and its frames that are to be skipped, xz, bzip2: what corral-unpack knows. */
static bool looks_compressed(const unsigned char *d, size_t len)
{
	return (len >= 2 && d[0] == 0x1f && d[1] == 0x8b) ||
	       (len >= 4 && memcmp(d, "\x28\xb5\x2f\xfd", 4) == 0) ||
	       (len >= 4 && (d[0] & 0xf0) == 0x50 && memcmp(d + 1, "\x2a\x4d\x18", 3) == 0) ||
	       (len >= 6 && memcmp(d,
	                           "\xfd"
	                           "7zXZ\0",
	                           6) == 0) ||
	       (len >= 4 && memcmp(d, "BZh", 3) == 0 && d[3] >= '1' && d[3] <= '9');
}

static bool stream_has_room(const struct stream *s)
{
	return s->at == s->end || s->end < BUFFER_SIZE;
}

/* What there is, into the room behind what is there. 1, 0 at the end, or -errno. */
static int stream_fill(struct stream *s, int fd, size_t *ret_n)
{
	ssize_t n;

	if (s->at == s->end)
		s->at = s->end = 0;
	*ret_n = 0;
	do
		n = read(fd, s->data + s->end, BUFFER_SIZE - s->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 1 : -errno;
	s->end += (size_t)n;
	s->ended = n == 0;
	*ret_n = (size_t)n;
	return n > 0;
}

/* -EPIPE: whoever reads has enough. */
static int stream_drain(struct stream *s, int fd, size_t *ret_n)
{
	ssize_t n;

	*ret_n = 0;
	do
		n = write(fd, s->data + s->at, s->end - s->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	s->at += (size_t)n;
	*ret_n = (size_t)n;
	return 0;
}

static int tell(struct unpacking *u, bool at_once, struct corral_error *err)
{
	const struct corral_progress *p = u->o->progress;
	uint64_t now;

	if (!p || !p->tell)
		return 0;
	now = corral_now_ms();
	if (!at_once && now - u->told_ms < TELL_MS)
		return 0;
	u->told_ms = now;
	if (p->tell(p->ctx, u->what, "unpack", u->archive_bytes, u->archive_total) != 0)
		return corral_error_set(err, ECANCELED, "canceled");
	return 0;
}

/* n bytes of the tar have come, the last ones in the stream. */
static int tar_came(struct unpacking *u, size_t n, struct corral_error *err)
{
	int r;

	corral_digest_add(u->digest, u->tar.data + u->tar.end - n, n);
	u->tar_bytes += n;
	r = corral_image_bounds_add(u->bounds, n, 0, err);
	if (r < 0)
		return r;
	if (u->is_compressed && u->tar_bytes > RATIO_FREE &&
	    u->tar_bytes / u->ratio_max > u->archive_bytes)
		return corral_error_set(err, EFBIG,
		                        "%" PRIu64 " bytes came out of %" PRIu64
		                        ", more than %" PRIu64 " times as many",
		                        u->tar_bytes, u->archive_bytes, u->ratio_max);
	return 0;
}

/* Its flags are shared with whoever has the same pipe: it is asked whether a read would wait. */
static bool would_block(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* Of the archive as it came, what there is. */
static int archive_read(struct unpacking *u, struct corral_error *err)
{
	struct stream *s = u->is_compressed ? &u->archive : &u->tar;
	size_t n;
	int r;

	if (s->ended || !stream_has_room(s))
		return 0;
	if (would_block(u->blob_fd)) {
		/* Whoever writes it takes his time, not what unpacks it. */
		u->moved_ms = corral_now_ms();
		return 0;
	}
	r = stream_fill(s, u->blob_fd, &n);
	if (r < 0)
		return corral_error_sys(err, -r, "read the archive");
	u->archive_bytes += n;
	if (n)
		u->moved_ms = corral_now_ms();
	return u->is_compressed ? 0 : tar_came(u, n, err);
}

/* Closed at the end of what is written to it, or when nobody reads it any more: then it is dropped.
 */
static int stream_to(struct unpacking *u, struct stream *s, int *fd, struct corral_error *err)
{
	size_t n = 0;
	int r = 0;

	if (*fd >= 0 && s->at < s->end)
		r = stream_drain(s, *fd, &n);
	if (r < 0 && r != -EPIPE)
		return corral_error_sys(err, -r, "hand it to what unpacks it");
	if (n)
		u->moved_ms = corral_now_ms();
	if (r == -EPIPE || (s->ended && s->at == s->end))
		corral_fd_closep(fd);
	if (*fd < 0)
		s->at = s->end;
	return 0;
}

static int tar_read(struct unpacking *u, struct corral_error *err)
{
	int r;
	size_t n;

	if (!stream_has_room(&u->tar))
		return 0;
	r = stream_fill(&u->tar, u->decompress.out_fd, &n);
	if (r < 0)
		return corral_error_sys(err, -r, "read what was decompressed");
	if (u->tar.ended)
		corral_fd_closep(&u->decompress.out_fd);
	if (n)
		u->moved_ms = corral_now_ms();
	return n ? tar_came(u, n, err) : 0;
}

static int stage_look(struct corral_unpack_stage *s, struct corral_error *err)
{
	int r = s->sandbox ? corral_unpack_stage_listen(s, err) : 0;

	if (r < 0 || !s->sandbox || s->ended)
		return r;
	r = corral_sandbox_dispatch(s->sandbox, err);
	if (r < 0)
		return r;
	s->ended = r > 0;
	return 0;
}

static void wait_add(struct pollfd *p, nfds_t *n, int fd, short events)
{
	if (fd >= 0)
		p[(*n)++] = (struct pollfd) { .fd = fd, .events = events };
}

static void stage_wait(struct pollfd *p, nfds_t *n, const struct corral_unpack_stage *s)
{
	if (!s->sandbox)
		return;
	wait_add(p, n, s->report_fd, POLLIN);
	if (!s->ended)
		wait_add(p, n, corral_sandbox_event_fd(s->sandbox), POLLIN);
}

static int wait(struct unpacking *u, struct corral_error *err)
{
	const struct stream *in = u->is_compressed ? &u->archive : &u->tar;
	struct pollfd p[8];
	nfds_t n = 0;

	/* Of a file that is always; a pipe's writer may take its time. */
	if (!in->ended && in->at == in->end)
		wait_add(p, &n, u->blob_fd, POLLIN);
	if (u->archive.at < u->archive.end)
		wait_add(p, &n, u->decompress.in_fd, POLLOUT);
	if (u->tar.at == u->tar.end)
		wait_add(p, &n, u->decompress.out_fd, POLLIN);
	else
		wait_add(p, &n, u->extract.in_fd, POLLOUT);
	stage_wait(p, &n, &u->decompress);
	stage_wait(p, &n, &u->extract);
	if (poll(p, n, TELL_MS) < 0 && errno != EINTR)
		return corral_error_sys(err, errno, "wait");
	return 0;
}

static bool is_over(const struct unpacking *u)
{
	return u->extract.ended && u->tar.ended && (!u->is_compressed || u->decompress.ended);
}

static int turn(struct unpacking *u, struct corral_error *err)
{
	int r = archive_read(u, err);

	if (r == 0 && u->is_compressed)
		r = stream_to(u, &u->archive, &u->decompress.in_fd, err);
	if (r == 0 && u->decompress.out_fd >= 0)
		r = tar_read(u, err);
	if (r == 0)
		r = stream_to(u, &u->tar, &u->extract.in_fd, err);
	if (r == 0)
		r = stage_look(&u->decompress, err);
	if (r == 0)
		r = stage_look(&u->extract, err);
	/* Of what is written, whoever writes it, and not only of what it says. */
	if (r == 0)
		r = corral_image_bounds_disk(u->bounds, err);
	return r < 0 ? r : tell(u, false, err);
}

static int pump(struct unpacking *u, struct corral_error *err)
{
	u->moved_ms = corral_now_ms();
	for (;;) {
		int r = turn(u, err);

		if (r < 0)
			return r;
		if (is_over(u))
			return 0;
		/* One that failed is not to be waited for by the other. */
		if (u->decompress.report.error.code || u->extract.report.error.code ||
		    (u->extract.ended && !u->extract.report.done))
			return 0;
		if (corral_now_ms() - u->moved_ms > STALL_MS)
			return corral_error_set(err, ETIMEDOUT, "nothing moves for %u s",
			                        STALL_MS / 1000);
		r = wait(u, err);
		if (r < 0)
			return r;
	}
}

/* What decompresses has the first word: what it leaves off is no archive to the other. */
static int result(struct unpacking *u, struct corral_error *err)
{
	int r = 0;

	if (u->is_compressed && (u->decompress.ended || u->decompress.report.error.code)) {
		r = corral_unpack_stage_result(&u->decompress, err);
		if (r < 0)
			return corral_error_wrap(err, r, "decompress");
	}
	return corral_unpack_stage_result(&u->extract, err);
}

/* Enough of the archive to know what it is. A pipe may give it byte by byte. */
static int begin(struct unpacking *u, struct corral_error *err)
{
	struct stream *s = &u->tar;
	struct stat st;
	off_t at;

	if (fstat(u->blob_fd, &st) == 0 && S_ISREG(st.st_mode)) {
		at = lseek(u->blob_fd, 0, SEEK_CUR);
		u->archive_total = at >= 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
	}
	while (s->end < 6 && !s->ended) {
		struct pollfd p = { .fd = u->blob_fd, .events = POLLIN };
		size_t n;
		int r = tell(u, false, err);

		if (r < 0)
			return r;
		if (poll(&p, 1, TELL_MS) == 0)
			continue;
		r = stream_fill(s, u->blob_fd, &n);
		if (r < 0)
			return corral_error_sys(err, -r, "read the archive");
		u->archive_bytes += n;
	}
	if (!s->end)
		return corral_error_set(err, EBADMSG, "it is empty");
	u->is_compressed = looks_compressed((unsigned char *)s->data, s->end);
	if (!u->is_compressed)
		return tar_came(u, s->end, err);
	u->archive = u->tar;
	u->tar = (struct stream) { 0 };
	u->tar.data = malloc(BUFFER_SIZE);
	return u->tar.data ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

static int stages_open(struct unpacking *u, const char *tree_path, struct corral_error *err)
{
	char entries[40];
	char *extract[] = { (char *)"extract", (char *)CORRAL_UNPACK_GUEST_TREE, entries,
		            geteuid() == 0 ? NULL : (char *)"squash", NULL };
	char *decompress[] = { (char *)"decompress", NULL };
	int r;

	(void)snprintf(entries, sizeof(entries), "entries=%" PRIu64, u->files_max);
	r = corral_unpack_stage_open(&u->extract, u->o, tree_path, extract, u->bytes_max, err);
	if (r == 0 && u->is_compressed)
		r = corral_unpack_stage_open(&u->decompress, u->o, NULL, decompress, u->bytes_max,
		                             err);
	return r;
}

static int gone_write(const char *layer_path, const struct corral_buf *gone,
                      struct corral_error *err)
{
	corral_autofree char *path = NULL;
	corral_autofd int fd = -1;
	int r;

	if (asprintf(&path, "%s/gone", layer_path) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return corral_error_sys(err, errno, "create '%s'", path);
	r = corral_whole_write(fd, gone->data, gone->len);
	return r < 0 ? corral_error_sys(err, -r, "write '%s'", path) : 0;
}

/* Both sandboxes are gone, and nothing changes any more. */
static int finish(struct unpacking *u, const char *layer_path, const char *tree_path,
                  struct corral_error *err)
{
	corral_autofd int fd = open(tree_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct corral_buf *caps = &u->extract.report.capabilities;
	uint64_t files = 0;
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open '%s'", tree_path);
	r = corral_unpack_check(fd, u->files_max, &files, err);
	if (r == 0)
		r = corral_image_bounds_add(u->bounds, 0, files, err);
	if (r == 0 && caps->len && geteuid() == 0)
		r = corral_unpack_capabilities(fd, caps->data, caps->len, err);
	return r < 0 ? r : gone_write(layer_path, &u->extract.report.gone, err);
}

static int run(struct unpacking *u, const char *layer_path, struct corral_unpacked *ret,
               struct corral_error *err)
{
	corral_autofree char *tree_path = NULL;
	struct corral_sigpipe pipe;
	corral_autofd int disk_fd = -1;
	int r = begin(u, err);

	if (r < 0)
		return r;
	if (asprintf(&tree_path, "%s/tree", layer_path) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (mkdir(tree_path, 0700) < 0)
		return corral_error_sys(err, errno, "make directory '%s'", tree_path);
	if (u->bounds == &u->own) {
		disk_fd = open(tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		u->own.disk_fd = disk_fd;
	}
	r = stages_open(u, tree_path, err);
	/* What unpacks may have ended with a fault of the archive, which is the better word. */
	corral_sigpipe_hold(&pipe);
	if (r == 0)
		r = pump(u, err);
	corral_sigpipe_release(&pipe);
	if (r == 0)
		r = result(u, err);
	if (r < 0)
		return r;
	corral_sandbox_close(corral_take_ptr(&u->extract.sandbox), NULL);
	r = finish(u, layer_path, tree_path, err);
	if (r == 0)
		r = tell(u, true, err);
	if (r < 0)
		return r;
	corral_digest_end(u->digest, ret->diff_id);
	ret->archive_bytes = u->archive_bytes;
	ret->tar_bytes = u->tar_bytes;
	ret->entries = u->extract.report.entries;
	return 0;
}

int corral_unpack_tree(int blob_fd, const char *layer_path, const char *what,
                       const struct corral_unpack_options *o, struct corral_unpacked *ret,
                       struct corral_error *err)
{
	corral_autofree struct unpacking *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return corral_error_set(err, ENOMEM, "out of memory");
	u->o = o;
	bounds_of(u, o);
	u->blob_fd = blob_fd;
	u->what = what;
	u->decompress.in_fd = u->decompress.out_fd = u->decompress.report_fd = -1;
	u->extract.in_fd = u->extract.out_fd = u->extract.report_fd = -1;
	u->tar.data = malloc(BUFFER_SIZE);
	r = u->tar.data ? corral_digest_new(&u->digest, err)
	                : corral_error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = run(u, layer_path, ret, err);
	corral_unpack_stage_close(&u->decompress);
	corral_unpack_stage_close(&u->extract);
	corral_digest_free(u->digest);
	free(u->archive.data);
	free(u->tar.data);
	return r;
}
