#include "tools/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/ask.h"
#include "tools/exec_client.h"

/* A copy may take as long as it takes: whoever waits for it can interrupt it. */
static const struct corral_files_bounds no_bounds = { INT64_MAX / 2, NULL };

int corral_place_open_local(struct corral_place *p, struct corral_error *err)
{
	corral_autofd int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return corral_error_sys(err, errno, "open the current directory");
	return corral_files_open(fd, 0, &p->local, err);
}

static int server_start(int holder_fd, int server_fd, struct corral_error *err)
{
	char *const argv[] = { (char *)"corral-files" };
	corral_autofd int program_fd = -1;
	struct corral_exec x = { .argv = argv,
		                 .n_argv = 1,
		                 .stdin_fd = server_fd,
		                 .stdout_fd = -1,
		                 .stderr_fd = -1,
		                 .program_fd = -1 };
	struct corral_talk t = { .words = NULL };
	const char *type, *failure;
	int r = corral_files_server_memfd(&program_fd, err);

	x.program_fd = program_fd;
	if (r == 0)
		r = corral_exec_send(holder_fd, &x, err);
	if (r == 0) {
		r = corral_talk_await(holder_fd, CORRAL_ASK_MS, &t, err);
		if (r == 0)
			r = corral_error_set(err, EPIPE,
			                     "its holder was killed, and the sandbox with it");
	}
	if (r > 0)
		r = corral_ask_error(&t, err);
	type = r == 0 ? corral_talk_text(t.words, "type") : NULL;
	if (type && strcmp(type, "started") != 0) {
		failure = corral_talk_text(json_object_get(t.words, "receipt"), "error");
		r = corral_error_set(err, EIO, "its file server cannot be started: %s",
		                     failure ? failure : type);
	}
	corral_talk_done(&t);
	return r;
}

int corral_place_open_guest(struct corral_place *p, const struct corral_sandboxes *s,
                            const struct corral_record *r, struct corral_error *err)
{
	corral_autofd int ours = -1, servers = -1;
	int pair[2], status;

	status = corral_sandboxes_connect(s, r, &p->holder_fd, err);
	if (status < 0)
		return status;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "make a socket");
	ours = pair[0];
	servers = pair[1];
	status = server_start(p->holder_fd, servers, err);
	if (status < 0)
		return corral_error_wrap(err, status, "sandbox %s", r->id);
	return corral_files_client_new_take(corral_take_fd(&ours), &p->guest, err);
}

void corral_place_close(struct corral_place *p)
{
	corral_files_close(p->local);
	corral_files_client_free(p->guest);
	p->local = NULL;
	p->guest = NULL;
	corral_fd_closep(&p->holder_fd);
}

/* Which of the two sides it was. */
static int guest_result(int r, struct corral_error *err)
{
	return r < 0 ? corral_error_wrap(err, r, "in the sandbox") : r;
}

int corral_place_stat(const struct corral_place *p, const char *path, struct corral_files_stat *ret,
                      struct corral_error *err)
{
	if (p->local)
		return corral_files_stat(p->local, path, 0, ret, err);
	return guest_result(corral_files_client_stat(p->guest, NULL, path, 0, ret, err), err);
}

int corral_place_give(const struct corral_place *p, const char *path, bool is_tree,
                      const struct corral_files_sink *sink, struct corral_files_copied *copied,
                      struct corral_error *err)
{
	int r;

	if (p->local)
		return is_tree ? corral_files_tar_out(p->local, path, NULL, sink, copied, err)
		               : corral_files_read_bytes(p->local, path, 0, UINT64_MAX, 0, NULL,
		                                         sink, err);
	if (is_tree)
		r = corral_files_client_tar_out(p->guest, &no_bounds, path, sink, copied, err);
	else
		r = corral_files_client_read_bytes(p->guest, &no_bounds, path, 0, UINT64_MAX, 0,
		                                   sink, err);
	return guest_result(r, err);
}

int corral_place_take(const struct corral_place *p, const char *path, bool is_tree,
                      unsigned int mode, const struct corral_files_source *source,
                      struct corral_files_copied *copied, struct corral_error *err)
{
	int r;

	if (p->local)
		return is_tree ? corral_files_tar_in(p->local, path, NULL, source, copied, err)
		               : corral_files_write(p->local, path, mode, NULL, source, NULL, err);
	if (is_tree)
		r = corral_files_client_tar_in(p->guest, &no_bounds, path, source, copied, err);
	else
		r = corral_files_client_write(p->guest, &no_bounds, path, mode, source, NULL, err);
	return guest_result(r, err);
}
