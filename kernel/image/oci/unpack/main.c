/*
 * corral-unpack decompress | extract DIR [squash] [entries=N]: reads an archive on standard input,
 * in a sandbox of ours, since it may be anything. "decompress" writes what it was to standard
 * output; "extract" makes its entries in DIR, which is empty, and tells the rest on standard error.
 */
#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/unpack/extract.h"
#include "kernel/image/oci/unpack/report.h"
#include "kernel/image/oci/unpack/stream.h"

#define ENTRIES_MAX (4u << 20)
/* zstd's largest window is 128 MiB; what directories a layer has is kept in memory. */
#define MEMORY_MAX ((rlim_t)1 << 30)

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);

/* Looking for leaks takes ptrace(2), which the sandbox refuses. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int decompress(struct report *report, struct corral_error *err)
{
	corral_auto(stream_closep) struct archive *a = NULL;
	struct archive_entry *e;
	const void *data;
	int64_t offset;
	size_t len;
	int r = stream_open_compressed(STDIN_FILENO, &a, err);

	if (r < 0)
		return r;
	r = archive_read_next_header(a, &e);
	while (r == ARCHIVE_OK &&
	       (r = archive_read_data_block(a, &data, &len, &offset)) == ARCHIVE_OK) {
		int w = corral_whole_write(STDOUT_FILENO, data, len);

		/* Whoever reads has seen the end already. */
		if (w == -EPIPE)
			break;
		if (w < 0)
			return corral_error_sys(err, -w, "write");
	}
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return stream_error(a, err);
	report_add(report, CORRAL_REPORT_DONE, "");
	return 0;
}

static int extract_to(char **argv, struct report *report, struct corral_error *err)
{
	struct extract_options o = { .entries_max = ENTRIES_MAX };
	corral_autofd int fd = open(argv[0], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open '%s'", argv[0]);
	for (char **at = argv + 1; *at; at++) {
		if (strcmp(*at, "squash") == 0) {
			o.squash = true;
		} else if (strncmp(*at, "entries=", 8) == 0) {
			r = corral_parse_u64(*at + 8, UINT64_MAX, &o.entries_max, err);
			if (r < 0)
				return r;
		} else {
			return corral_error_set(err, EINVAL, "'%s' is no option", *at);
		}
	}
	return extract(STDIN_FILENO, fd, &o, report, err);
}

static int run(int argc, char **argv, struct report *report, struct corral_error *err)
{
	if (argc == 2 && strcmp(argv[1], "decompress") == 0)
		return decompress(report, err);
	if (argc >= 3 && strcmp(argv[1], "extract") == 0)
		return extract_to(argv + 2, report, err);
	return corral_error_set(err, EINVAL,
	                        "usage: corral-unpack decompress | extract DIR [squash] "
	                        "[entries=N]");
}

int main(int argc, char **argv)
{
	struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };
	struct corral_error err = { 0 };
	static struct report report;
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
	if (setrlimit(RLIMIT_AS, &memory) < 0)
		return 2;
#else
	(void)memory;
#endif
	/* Names are bytes to us; libarchive wants to know what they mean. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	r = run(argc, argv, &report, &err);
	if (r < 0) {
		char text[sizeof(err.text) + 16];

		(void)snprintf(text, sizeof(text), "%d:%s", -r, err.text);
		report_add(&report, CORRAL_REPORT_ERROR, text);
	}
	return report_flush(&report) < 0 || r < 0 ? 1 : 0;
}
