/*
 * corral-image FORMAT EDGE: makes the picture on standard input smaller, so that neither of its
 * edges is longer than EDGE, and writes it to standard output in the same format. Of one that moves
 * the first frame is left.
 *
 * Decoders of pictures are where hostile bytes have met the most memory errors, so they run here
 * and in no process that has anything to lose. By the time they see the first byte, this one has no
 * descriptors but its output, and a filter of system calls which leaves it memory, that output and
 * an end: no files, no processes, no sockets, no memory that is executable. What it takes of memory
 * and of the processor is bounded as well, which is also what ends a picture that is small as a
 * file and enormous as pixels. It is a program of its own because the library is one that cannot be
 * linked statically, and is not needed by anybody who shows no pictures.
 *
 * Exit status: 0 it has been made smaller; 3 it is small enough, nothing was written; 1 it cannot
 * be read; 2 the words of the command line, or the system, are not as they have to be. Input and
 * output are files.
 */
#include <errno.h>
#include <gd.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX  ((off_t)128 << 20)
#define MEMORY_MAX ((rlim_t)1 << 30)
#define OUTPUT_MAX ((rlim_t)128 << 20)
#define CPU_S      20
#define EDGE_MAX   16384

enum status { SCALED = 0, UNREADABLE = 1, MISUSED = 2, FITS = 3 };

static void *png_write(gdImagePtr im, int *size)
{
	return gdImagePngPtrEx(im, size, 6);
}

static void *jpeg_write(gdImagePtr im, int *size)
{
	return gdImageJpegPtr(im, size, 88);
}

static void *gif_write(gdImagePtr im, int *size)
{
	/* A palette is all that the format has. */
	if (!gdImageTrueColorToPalette(im, 1, 255))
		return NULL;
	return gdImageGifPtr(im, size);
}

static void *webp_write(gdImagePtr im, int *size)
{
	return gdImageWebpPtrEx(im, size, 85);
}

static const struct format {
	const char *name;
	gdImagePtr (*read)(int size, void *data);
	void *(*write)(gdImagePtr im, int *size);
} formats[] = {
	{ "png", gdImageCreateFromPngPtr, png_write },
	{ "jpeg", gdImageCreateFromJpegPtr, jpeg_write },
	{ "gif", gdImageCreateFromGifPtr, gif_write },
	{ "webp", gdImageCreateFromWebpPtr, webp_write },
};

static int limit(int which, rlim_t value)
{
	const struct rlimit r = { value, value };

	return setrlimit((__rlimit_resource_t)which, &r);
}

/* From here on there is nothing but memory, descriptor 1, and the end. */
static int confine(void)
{
	static const int free_calls[] = {
		SCMP_SYS(munmap),  SCMP_SYS(mremap), SCMP_SYS(brk),
		SCMP_SYS(madvise), SCMP_SYS(futex),  SCMP_SYS(exit_group)
	};
	static const struct scmp_arg_cmp output = { .arg = 0,
		                                    .op = SCMP_CMP_EQ,
		                                    .datum_a = STDOUT_FILENO },
	                                 data = { .arg = 2,
		                                  .op = SCMP_CMP_MASKED_EQ,
		                                  .datum_a = PROT_EXEC,
		                                  .datum_b = 0 },
	                                 nowhere = { .arg = 3,
		                                     .op = SCMP_CMP_MASKED_EQ,
		                                     .datum_a = MAP_ANONYMOUS,
		                                     .datum_b = MAP_ANONYMOUS };
	scmp_filter_ctx filter;
	int r = 0;

	if (close_range(2, ~0U, 0) < 0 || close(0) < 0 || limit(RLIMIT_AS, MEMORY_MAX) < 0 ||
	    limit(RLIMIT_FSIZE, OUTPUT_MAX) < 0 || limit(RLIMIT_CPU, CPU_S) < 0 ||
	    limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_NOFILE, 2) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, 9) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return -1;
	for (size_t i = 0; r == 0 && i < sizeof(free_calls) / sizeof(free_calls[0]); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, free_calls[i], 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, output);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, data, nowhere);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* What is wrong with a picture is nobody's business but the exit status's. */
static void silent(int priority, const char *format, va_list args)
{
	(void)priority;
	(void)format;
	(void)args;
}

static gdImagePtr smaller(gdImagePtr im, int edge)
{
	int longest = gdImageSX(im) > gdImageSY(im) ? gdImageSX(im) : gdImageSY(im);
	int width = (int)((long)gdImageSX(im) * edge / longest),
	    height = (int)((long)gdImageSY(im) * edge / longest);
	gdImagePtr small;

	width = width ? width : 1;
	height = height ? height : 1;
	small = gdImageCreateTrueColor(width, height);
	if (!small)
		return NULL;
	/* What shows through goes on showing through. */
	gdImageAlphaBlending(small, 0);
	gdImageSaveAlpha(small, 1);
	gdImageCopyResampled(small, im, 0, 0, 0, 0, width, height, gdImageSX(im), gdImageSY(im));
	return small;
}

static int write_out(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static enum status scale(const struct format *f, char *data, int size, int edge)
{
	gdImagePtr im = f->read(size, data), small;
	void *out;

	if (!im)
		return UNREADABLE;
	if (gdImageSX(im) <= edge && gdImageSY(im) <= edge)
		return FITS;
	small = smaller(im, edge);
	gdImageDestroy(im);
	out = small ? f->write(small, &size) : NULL;
	return out && size > 0 && write_out(out, (size_t)size) == 0 ? SCALED : UNREADABLE;
}

int main(int argc, char **argv)
{
	long edge = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	const struct format *f = NULL;
	struct stat st;
	char *data;

	for (size_t i = 0; argc == 3 && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].name, argv[1]))
			f = &formats[i];
	if (!f || edge < 1 || edge > EDGE_MAX || fstat(STDIN_FILENO, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size < 1 || st.st_size > INPUT_MAX)
		return MISUSED;
	/* A copy: nobody can change the bytes while they are read. */
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	            -1, 0);
	if (data == MAP_FAILED || pread(STDIN_FILENO, data, (size_t)st.st_size, 0) != st.st_size)
		return MISUSED;
	gdSetErrorMethod(silent);
	if (confine() < 0)
		return MISUSED;
	/* Without the ends of libraries, which would ask the system for more. */
	_exit(scale(f, data, (int)st.st_size, (int)edge));
}
