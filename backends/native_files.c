/*
 * File operations, done inside the sandbox by its file server, a background command of ours that is
 * started by the first of them. It has the guest's rights and is charged to the guest; what it says
 * is believed as far as a guest is. When it is gone (the guest may kill it), the next operation
 * starts another.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/native_box.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/client.h"

struct corral_native_server {
	unsigned int refs; /* under the backend's lock */
	struct corral_files_client *client;
	struct corral_process *process;
};

/* The program of all servers, as long as there is one: a copy for each would be most of what an
 * idle sandbox costs. */
static struct {
	pthread_mutex_t lock;
	unsigned int users;
	int fd;
} program = { PTHREAD_MUTEX_INITIALIZER, 0, -1 };

static int program_acquire(int *ret_fd, struct corral_error *err)
{
	int r = 0;

	pthread_mutex_lock(&program.lock);
	if (program.fd < 0)
		r = corral_files_server_memfd(&program.fd, err);
	if (r == 0) {
		program.users++;
		*ret_fd = program.fd;
	}
	pthread_mutex_unlock(&program.lock);
	return r;
}

static void program_release(void)
{
	pthread_mutex_lock(&program.lock);
	if (--program.users == 0)
		corral_fd_closep(&program.fd);
	pthread_mutex_unlock(&program.lock);
}

static void server_free(struct corral_native_server *v)
{
	corral_files_client_free(v->client);
	corral_process_close(v->process);
	program_release();
	free(v);
}

static int server_start(struct corral_native_box *box, int program_fd,
                        struct corral_native_server *v, struct corral_error *err)
{
	char *const argv[] = { (char *)"corral-files", NULL };
	corral_autofd int ours = -1, theirs = -1;
	struct corral_command command = { .argv = argv, .stdout_fd = -1, .stderr_fd = -1 };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to the file server");
	ours = pair[0];
	theirs = pair[1];
	command.stdin_fd = theirs;
	r = corral_process_start_program(box->sandbox, program_fd, &command,
	                                 CORRAL_PROCESS_BACKGROUND, &v->process, err);
	if (r < 0)
		return corral_error_wrap(err, r, "start the file server");
	return corral_files_client_new_take(corral_take_fd(&ours), &v->client, err);
}

static int server_new(struct corral_native_box *box, struct corral_native_server **ret,
                      struct corral_error *err)
{
	struct corral_native_server *v = calloc(1, sizeof(*v));
	int program_fd = -1, r;

	if (!v)
		return corral_error_set(err, ENOMEM, "start the file server: out of memory");
	v->refs = 1;
	r = program_acquire(&program_fd, err);
	if (r < 0) {
		free(v);
		return r;
	}
	r = server_start(box, program_fd, v, err);
	if (r < 0)
		server_free(v);
	else
		*ret = v;
	return r;
}

static void server_release(struct corral_native *n, struct corral_native_server *v)
{
	bool last;

	pthread_mutex_lock(&n->lock);
	last = --v->refs == 0;
	pthread_mutex_unlock(&n->lock);
	if (last)
		server_free(v);
}

/* Who comes while one is started waits for it. */
static int server_acquire(struct corral_native *n, struct corral_native_box *box,
                          struct corral_native_server **ret, struct corral_error *err)
{
	struct corral_native_server *dead = NULL, *fresh = NULL;
	int r = 0;

	pthread_mutex_lock(&n->lock);
	while (box->starting)
		pthread_cond_wait(&n->changed, &n->lock);
	if (box->server && corral_files_client_state(box->server->client) < 0) {
		dead = box->server;
		box->server = NULL;
	}
	if (!box->server) {
		box->starting = true;
		pthread_mutex_unlock(&n->lock);
		if (dead)
			server_release(n, dead);
		r = server_new(box, &fresh, err);
		pthread_mutex_lock(&n->lock);
		box->starting = false;
		box->server = fresh;
		pthread_cond_broadcast(&n->changed);
	}
	if (r == 0) {
		box->server->refs++;
		*ret = box->server;
	}
	pthread_mutex_unlock(&n->lock);
	return r;
}

void corral_native_server_close(struct corral_native_box *box)
{
	if (box->server)
		server_free(box->server);
	box->server = NULL;
}

/* One operation: the sandbox and its server, held while it lasts. */
struct visit {
	struct corral_native *native;
	struct corral_native_box *box;
	struct corral_native_server *server;
};

static int visit_begin(struct visit *v, struct corral_backend *b, struct corral_error *err)
{
	int r;

	v->native = to_native(b);
	r = corral_native_acquire(v->native, &v->box, err);
	if (r < 0)
		return r;
	r = server_acquire(v->native, v->box, &v->server, err);
	if (r < 0)
		corral_native_release(v->native, v->box);
	return r;
}

static void visit_end(struct visit *v)
{
	server_release(v->native, v->server);
	corral_native_release(v->native, v->box);
}

/* The call of the client with the same name and arguments. */
#define VISIT(b, err, call)                           \
	do {                                          \
		struct visit v;                       \
		int r_ = visit_begin(&v, (b), (err)); \
                                                      \
		if (r_ < 0)                           \
			return r_;                    \
		r_ = (call);                          \
		visit_end(&v);                        \
		return r_;                            \
	} while (0)

static int exists(struct corral_backend *b, const char *path, struct corral_error *err)
{
	VISIT(b, err, corral_files_client_exists(v.server->client, NULL, path, err));
}

bool corral_native_exists(struct corral_backend *b, const char *path)
{
	return exists(b, path, NULL) == 1;
}

int corral_native_stat(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_files_stat *ret, struct corral_error *err)
{
	VISIT(b, err, corral_files_client_stat(v.server->client, NULL, path, flags, ret, err));
}

int corral_native_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                     struct corral_error *err)
{
	VISIT(b, err, corral_files_client_ls(v.server->client, NULL, path, 0, ret, err));
}

int corral_native_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                       struct corral_buf *ret, struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_read(v.server->client, NULL, path, offset, limit, ret, err));
}

int corral_native_edit(struct corral_backend *b, const char *path,
                       const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                       struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_edit(v.server->client, NULL, path, edit, ret_occurrences, err));
}

int corral_native_glob(struct corral_backend *b, const char *pattern, const char *path,
                       unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_glob(v.server->client, NULL, pattern, path, flags, ret, err));
}

int corral_native_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                       struct corral_files_matches *ret, struct corral_error *err)
{
	VISIT(b, err, corral_files_client_grep(v.server->client, NULL, grep, ret, err));
}

int corral_native_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	VISIT(b, err, corral_files_client_mkdir(v.server->client, NULL, path, err));
}

int corral_native_remove(struct corral_backend *b, const char *path, unsigned int flags,
                         struct corral_error *err)
{
	VISIT(b, err, corral_files_client_remove(v.server->client, NULL, path, flags, err));
}

int corral_native_rename(struct corral_backend *b, const char *path, const char *new_path,
                         unsigned int flags, struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_rename(v.server->client, NULL, path, new_path, flags, err));
}

static const struct corral_files_bounds of_any_size = {
	.timeout_ms = CORRAL_FILES_COPY_TIMEOUT_MS,
};

int corral_native_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                              uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                              struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_read_bytes(v.server->client, max ? NULL : &of_any_size, path,
	                                     offset, length, max, sink, err));
}

int corral_native_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                               bool known, const struct corral_files_source *source,
                               struct corral_error *err)
{
	VISIT(b, err,
	      corral_files_client_write(v.server->client, known ? NULL : &of_any_size, path, mode,
	                                source, NULL, err));
}

int corral_native_tar_out(struct corral_backend *b, const char *path,
                          const struct corral_files_sink *sink, struct corral_files_copied *ret,
                          struct corral_error *err)
{
	VISIT(b, err, corral_files_client_tar_out(v.server->client, NULL, path, sink, ret, err));
}

int corral_native_tar_in(struct corral_backend *b, const char *path,
                         const struct corral_files_source *source, struct corral_files_copied *ret,
                         struct corral_error *err)
{
	VISIT(b, err, corral_files_client_tar_in(v.server->client, NULL, path, source, ret, err));
}
