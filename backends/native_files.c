/*
 * File operations, done inside the sandbox by its file server, a background command of ours that is
 * started by the first of them. It has the guest's rights and is charged to the guest; what it says
 * is believed as far as a guest is.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/native_box.h"
#include "kernel/base/cleanup.h"

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

static void server_close(struct corral_served *s)
{
	corral_files_client_free(s->client);
	corral_process_close(s->server);
	program_release();
}

static int server_start(struct corral_native_box *box, int program_fd, struct corral_served *s,
                        struct corral_error *err)
{
	char *const argv[] = { (char *)"corral-files", NULL };
	corral_autofd int ours = -1, theirs = -1;
	struct corral_command command = { .argv = argv, .stdout_fd = -1, .stderr_fd = -1 };
	struct corral_process *process = NULL;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to the file server");
	ours = pair[0];
	theirs = pair[1];
	command.stdin_fd = theirs;
	r = corral_process_start_program(box->sandbox, program_fd, &command,
	                                 CORRAL_PROCESS_BACKGROUND, &process, err);
	if (r < 0)
		return corral_error_wrap(err, r, "start the file server");
	s->server = process;
	return corral_files_client_new_take(corral_take_fd(&ours), &s->client, err);
}

static int served_start(void *place, struct corral_served *s, struct corral_error *err)
{
	int program_fd = -1;
	int r = program_acquire(&program_fd, err);

	if (r < 0)
		return r;
	s->close = server_close;
	r = server_start(place, program_fd, s, err);
	if (r < 0)
		server_close(s);
	return r;
}

int corral_native_visit_begin(struct corral_backend *b, struct corral_visit *v,
                              struct corral_error *err)
{
	struct corral_native_box *box;
	int r = corral_native_acquire(to_native(b), &box, err);

	if (r < 0)
		return r;
	r = corral_served_acquire(&box->base.files, served_start, box, &v->served, err);
	if (r < 0) {
		corral_native_release(to_native(b), box);
		return r;
	}
	v->box = box;
	v->client = v->served->client;
	return 0;
}

int corral_native_visit_end(struct corral_backend *b, struct corral_visit *v, int r,
                            struct corral_error *err)
{
	struct corral_native_box *box = v->box;

	(void)err;
	corral_served_release_after(&box->base.files, v->served, r);
	corral_native_release(to_native(b), box);
	return r;
}
