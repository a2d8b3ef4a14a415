/*
 * What a client on the host and the file server inside a sandbox say to each other over one
 * connected SOCK_SEQPACKET socket. Both come from one build, so the structs travel as they are. The
 * server is the guest's: the client believes no length, number or text of it, and no message
 * carries descriptors, ever: a descriptor of the guest's may be a FIFO, a file system of its own
 * making or a file that changes while it is read, and what it saves is one copy.
 *
 *   client                            server
 *   REQUEST id, first data  ------->
 *           <-- GRANT id (upload) --
 *   DATA id, seq ...        ------->
 *           <------- DATA id, seq --  at most CORRAL_FILES_WINDOW of them without a
 *   GRANT id                ------->
 *   CANCEL id               ------->  whose answer is an early
 *           <---------------- REPLY   always the last of its id, with the rest of the data
 *
 * Data goes in chunks, and each side sends only what the other has granted (numbers of chunks since
 * the request began): neither can make the other keep more than a window. A download begins with a
 * window granted, an upload with the first chunk inside the request.
 */
#ifndef CORRAL_KERNEL_FILES_WIRE_H
#define CORRAL_KERNEL_FILES_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/files/files.h"

#define CORRAL_FILES_WIRE_MAX    (CORRAL_FILES_CHUNK + 2048u + 3 * (CORRAL_FILES_PATH_MAX + 1))
#define CORRAL_FILES_WINDOW      4u  /* chunks */
#define CORRAL_FILES_OUTSTANDING 64u /* requests of one client, cancelled ones included */
#define CORRAL_FILES_SHOWN_MAX                                             \
	(80u << 10) /* bytes of a path in a row: all levels of a deep tree \
	             */

enum corral_files_op {
	CORRAL_FILES_OP_EXISTS = 1,
	CORRAL_FILES_OP_STAT,
	CORRAL_FILES_OP_LS,
	CORRAL_FILES_OP_READ,
	CORRAL_FILES_OP_READ_BYTES,
	CORRAL_FILES_OP_WRITE,
	CORRAL_FILES_OP_EDIT,
	CORRAL_FILES_OP_GLOB,
	CORRAL_FILES_OP_GREP,
	CORRAL_FILES_OP_MKDIR,
	CORRAL_FILES_OP_REMOVE,
	CORRAL_FILES_OP_RENAME,
	CORRAL_FILES_OP_TAR_OUT,
	CORRAL_FILES_OP_TAR_IN,
	CORRAL_FILES_OP_END,
};

enum corral_files_wire_type {
	CORRAL_FILES_REQUEST = 1, /* to the server */
	CORRAL_FILES_CANCEL,      /* to the server: a head alone */
	CORRAL_FILES_GRANT,
	CORRAL_FILES_DATA,
	CORRAL_FILES_REPLY, /* to the client */
};

struct corral_files_head {
	uint32_t type;
	uint32_t size; /* of the whole message */
	uint64_t id;   /* grows with each request */
};

/* Followed by three texts with a NUL behind each, and data. */
struct corral_files_request {
	struct corral_files_head head;
	uint32_t op;
	uint32_t flags;
	uint64_t timeout_ms; /* from when it arrives */
	uint64_t n[3];
	uint32_t text_len[3];
	uint32_t data_len;
	uint32_t more; /* 1: chunks follow */
	uint32_t pad;
};

struct corral_files_wire_grant {
	struct corral_files_head head;
	uint64_t total; /* chunks that may have been sent, since the request */
};

/* Followed by at most CORRAL_FILES_CHUNK bytes. */
struct corral_files_data {
	struct corral_files_head head;
	uint64_t seq;  /* 0, 1, 2 ... */
	uint32_t last; /* of an upload: nothing follows */
	uint32_t pad;
};

enum corral_files_reply_flags {
	CORRAL_FILES_REPLY_TRUNCATED = 1u << 0,
	CORRAL_FILES_REPLY_INCOMPLETE = 1u << 1,
};

/* Followed by the error's text without NUL, and data. */
struct corral_files_reply {
	struct corral_files_head head;
	int32_t code; /* 0 or -errno */
	uint32_t flags;
	uint64_t n[3];
	uint32_t text_len;
	uint32_t data_len;
};

/* In the data of listings; followed by the path. */
struct corral_files_wire_row {
	uint64_t size;
	int64_t mtime_nsec;
	uint32_t mode, uid, gid;
	uint32_t path_len;
	uint32_t type;
	uint32_t is_link;
};

/* In the data of grep; followed by the path (none: as before) and the line. */
struct corral_files_wire_match {
	uint64_t line_number;
	uint32_t path_len, line_len;
	uint32_t cut;
	uint32_t pad;
};

/* A request as the server sees it: all within the message. */
struct corral_files_asked {
	uint64_t id;
	enum corral_files_op op;
	unsigned int flags;
	uint64_t timeout_ms;
	uint64_t n[3];
	const char *text[3];
	const char *data;
	size_t data_len;
	bool more;
};

/* -EBADMSG for what is no request of ours. */
int corral_files_request_parse(const void *message, size_t size, struct corral_files_asked *ret);

/* A reply's parts, all within the message; -EPROTO for what is none. */
struct corral_files_answer {
	int code;
	unsigned int flags;
	uint64_t n[3];
	const char *text; /* not terminated, not to be printed as it is */
	size_t text_len;
	const char *data;
	size_t data_len;
};

int corral_files_reply_parse(const void *message, size_t size, struct corral_files_answer *ret);

/* The words of rows and matches as data and back; -EPROTO, -ENOMEM; decoded ones are checked
 * throughout. */
void corral_files_rows_encode(const struct corral_files_rows *rows, struct corral_buf *out);
int corral_files_rows_decode(const char *data, size_t len, struct corral_files_rows *ret);
void corral_files_stat_encode(const struct corral_files_stat *stat, struct corral_buf *out);
int corral_files_stat_decode(const char *data, size_t len, struct corral_files_stat *ret);
void corral_files_matches_encode(const struct corral_files_matches *matches,
                                 struct corral_buf *out);
int corral_files_matches_decode(const char *data, size_t len, struct corral_files_matches *ret);

#endif
