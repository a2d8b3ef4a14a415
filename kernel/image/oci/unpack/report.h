/*
 * What corral-unpack says to whoever started it, on standard error: records of one letter and text,
 * each ended by NUL. The host believes none of it before it has looked.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_PROGRAM_REPORT_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_PROGRAM_REPORT_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* A path that is gone, or whose content is: as in a layer's file (kernel/image/layer.h). */
	CORRAL_REPORT_GONE = 'D',
	CORRAL_REPORT_OPAQUE = 'O',
	/* A directory that no entry describes: it is there because something lies in it. */
	CORRAL_REPORT_IMPLIED = 'I',
	/* "HEX:PATH": a file's capabilities, which only the host can store. */
	CORRAL_REPORT_CAPABILITY = 'C',
	/* "ERRNO:TEXT": what went wrong. */
	CORRAL_REPORT_ERROR = 'E',
	/* "ENTRIES": all is done. Without it nothing is. */
	CORRAL_REPORT_DONE = 'S',
};

#define CORRAL_REPORT_RECORD_MAX 8192u
#define CORRAL_UNPACK_PATH_MAX   4095u
#define CORRAL_UNPACK_DEPTH_MAX  512u

/* In the program: appends a record, written when there are many of them. */
struct corral_error;
struct report {
	char data[CORRAL_REPORT_RECORD_MAX * 4];
	size_t len;
	int failed; /* -errno of a write, sticks */
};
void report_add(struct report *r, char kind, const char *text);
int report_flush(struct report *r);

#endif
