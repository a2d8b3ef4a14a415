#include "tools/docker_ping.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/docker_exec.h"

#define UNIX "unix://"
/* Both HTTP versions that an engine may answer with. */
#define ANSWER "HTTP/1.1 200"

/* The socket's name, to be shown and to be connected to. */
struct place {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *what; /* "Docker's", "Podman's" */
};

static int wait_for(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = corral_now_ms();
	int n;

	if (now >= until_ms)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)(until_ms - now));
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

static int connect_to(const char *path, uint64_t until_ms)
{
	corral_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	while (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		/* Its queue is full: nobody takes what is in it. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (corral_now_ms() >= until_ms)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 10);
	}
	return corral_take_fd(&fd);
}

/* 0: what answered is an engine; -EPROTO: it is none. */
static int ask(const char *path, uint64_t until_ms)
{
	static const char question[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\n"
	                               "Connection: close\r\n\r\n";
	corral_autofd int fd = connect_to(path, until_ms);
	char answer[sizeof(ANSWER)] = "";
	size_t have = 0;

	if (fd < 0)
		return fd;
	if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
		return -errno;
	while (have < sizeof(answer) - 1) {
		int r = wait_for(fd, POLLIN, until_ms);
		ssize_t n = r < 0 ? -1 : recv(fd, answer + have, sizeof(answer) - 1 - have, 0);

		if (r < 0)
			return r;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n == 0 ? -EPROTO : -errno;
		have += (size_t)n;
	}
	/* 1.0 or 1.1. */
	answer[strlen("HTTP/1.")] = '1';
	return strcmp(answer, ANSWER) == 0 ? 0 : -EPROTO;
}

static size_t places_make(struct place places[4])
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	size_t n = 0;

	places[n++] = (struct place) { "/var/run/docker.sock", "Docker's" };
	if (run && *run) {
		places[n].what = "Docker's";
		(void)snprintf(places[n].path, sizeof(places[n].path), "%s/docker.sock", run);
		n++;
		places[n].what = "Podman's";
		(void)snprintf(places[n].path, sizeof(places[n].path), "%s/podman/podman.sock",
		               run);
		n++;
	}
	places[n++] = (struct place) { "/run/podman/podman.sock", "Podman's" };
	return n;
}

static void put_found(struct corral_doctor_row *row, const struct place *p)
{
	row->status = CORRAL_DOCTOR_OK;
	(void)snprintf(row->found, sizeof(row->found), "%.40s socket answers: %.120s", p->what,
	               p->path);
	if (corral_docker_is_installed())
		return;
	row->status = CORRAL_DOCTOR_INFO;
	(void)snprintf(row->remedy, sizeof(row->remedy),
	               "build corral with libcurl and libarchive: this one has no Docker");
}

static void put_refused(struct corral_doctor_row *row, const struct place *p, int r)
{
	(void)snprintf(row->found, sizeof(row->found), "%s: %s", p->path,
	               r == -EPROTO ? "what answers is no engine" : strerrordesc_np(-r));
	if (r == -EACCES)
		(void)snprintf(row->remedy, sizeof(row->remedy),
		               "add the user to the socket's group, or use a rootless engine");
	else if (r == -ECONNREFUSED)
		(void)snprintf(row->remedy, sizeof(row->remedy),
		               "start the engine: systemctl start docker");
	else
		(void)snprintf(row->remedy, sizeof(row->remedy), "corral docker info says more");
}

/* One that is there and refuses is worth more words than those that are not there. False: there is
 * none. */
static bool look_around(struct corral_doctor_row *row, uint64_t until_ms)
{
	struct place places[4], *denied = NULL;
	size_t n = places_make(places);
	int why = 0;

	for (size_t i = 0; i < n; i++) {
		int r = ask(places[i].path, until_ms);

		if (r == 0) {
			put_found(row, &places[i]);
			return true;
		}
		if (r == -ENOENT || r == -ENOTDIR || denied)
			continue;
		denied = &places[i];
		why = r;
	}
	if (denied) {
		put_refused(row, denied, why);
		return true;
	}
	(void)snprintf(row->found, sizeof(row->found), "no engine's socket");
	(void)snprintf(row->remedy, sizeof(row->remedy),
	               "none is needed; for --docker install docker.io or podman, or set "
	               "DOCKER_HOST");
	return false;
}

/* False: it is one that was not asked. */
static bool look_at(struct corral_doctor_row *row, const char *host, uint64_t until_ms)
{
	struct place p = { .what = "DOCKER_HOST's" };
	int r;

	if (strncmp(host, UNIX, strlen(UNIX)) != 0) {
		(void)snprintf(row->found, sizeof(row->found),
		               "DOCKER_HOST is no socket of this host, and was not asked");
		(void)snprintf(row->remedy, sizeof(row->remedy), "corral docker info asks it");
		return false;
	}
	host += strlen(UNIX);
	if (strlen(host) >= sizeof(p.path)) {
		(void)snprintf(row->found, sizeof(row->found), "DOCKER_HOST: its path is too long");
		return true;
	}
	(void)snprintf(p.path, sizeof(p.path), "%s", host);
	r = ask(p.path, until_ms);
	if (r == 0)
		put_found(row, &p);
	else
		put_refused(row, &p, r);
	return true;
}

/* The same. */
static bool look(struct corral_doctor_row *row)
{
	uint64_t until_ms = corral_now_ms() + CORRAL_DOCKER_PING_MS;
	const char *host = getenv("DOCKER_HOST"), *context = getenv("DOCKER_CONTEXT");

	*row = (struct corral_doctor_row) { .name = "docker", .status = CORRAL_DOCTOR_INFO };
	if (host && *host)
		return look_at(row, host, until_ms);
	if (context && *context && strcmp(context, "default") != 0) {
		(void)snprintf(row->found, sizeof(row->found),
		               "DOCKER_CONTEXT names it, and it was not asked");
		(void)snprintf(row->remedy, sizeof(row->remedy), "corral docker info asks it");
		return false;
	}
	return look_around(row, until_ms);
}

void corral_docker_ping(struct corral_doctor *d)
{
	uint64_t begin = corral_now_ms();

	if (d->n_rows >= CORRAL_DOCTOR_ROWS_MAX)
		return;
	(void)look(&d->rows[d->n_rows++]);
	d->took_ms += (unsigned int)(corral_now_ms() - begin);
}

int corral_docker_answers(char *why, size_t size)
{
	struct corral_doctor_row row;
	bool asked = look(&row);

	(void)snprintf(why, size, "%s", row.found);
	return asked ? row.status == CORRAL_DOCTOR_OK : -1;
}
