/*
 * Theory of operation. One process, several threads: a fork for each request would cost most of
 * what posix_spawn does, which is what this server is there to undercut, and searching wants
 * threads anyway. All idle threads wait in recv() on the one socket, and the kernel wakes one
 * for a message; it does the request itself and answers itself, so that a request costs no switch
 * between threads. Before it begins, it sees to it that another thread is left to receive: a slow
 * search holds up nobody, and can be cancelled. With all threads busy the last one receives only,
 * and keeps what must wait in a queue that the client's limit bounds. Requests that may be long
 * have a share of the threads and leave the rest to short ones. More than two idle threads end.
 *
 * Messages of one request may so be received by two threads at once: chunks have numbers, and a
 * CANCEL that overtakes its request is remembered. Answers are sent by the thread that works on
 * them, blocking: the receiving thread never sends, so the socket towards us always drains.
 */
#include "kernel/files/server.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/files/internal.h"

#define THREADS_MAX   32
#define LONG_MAX_     16
#define IDLE_MAX      2
#define STACK_SIZE    (256u << 10)
#define EARLY_MAX     64 /* cancelled before they came */
#define END_WAIT_MS   3000
#define ALONE_POLL_MS 1000

struct chunk {
	size_t len;
	bool last;
	char data[];
};

struct job {
	struct job *next; /* of the queue, or of those that run */
	struct server *server;
	struct corral_files_asked asked;
	char *message;  /* asked points into it */
	bool cancelled; /* with __atomic_* */
	uint64_t deadline_nsec;
	bool is_long;
	pthread_cond_t moved;

	/* What comes: chunks received out of order stand at their number. */
	struct chunk *in[CORRAL_FILES_WINDOW];
	uint64_t in_next, in_granted; /* chunks taken; promised */
	size_t in_at;                 /* bytes taken of the next */
	bool in_end, first_done;

	/* What goes: chunks sent; allowed. */
	uint64_t out_sent, out_granted;
	struct corral_buf out; /* below one chunk */
};

struct server {
	int sock;
	const struct corral_files *f;
	pthread_mutex_t lock;
	pthread_cond_t gone;
	pthread_attr_t attr;
	size_t threads, idle, n_long;
	struct job *running;
	struct job *waiting, **last;
	size_t n_jobs;
	uint64_t early[EARLY_MAX];
	size_t next_early;
	bool alone; /* no thread could be had: the one that works receives meanwhile */
	bool ended;
	int result;
};

static struct job *receive(struct server *s, char **buf);

static int send_parts(const struct server *s, struct iovec *parts, size_t n)
{
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = n };
	ssize_t r;

	do {
		r = sendmsg(s->sock, &msg, MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Under the lock. */
static void job_cancel(struct job *j)
{
	__atomic_store_n(&j->cancelled, true, __ATOMIC_RELAXED);
	(void)pthread_cond_signal(&j->moved);
}

/* The process limit gave us one thread: what this job waits for, it receives itself. Under the
 * lock. */
static void receive_alone(struct job *j)
{
	struct server *s = j->server;
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	uint64_t now = corral_now_nsec();
	int timeout_ms = ALONE_POLL_MS;
	char *buf = NULL;

	if (j->deadline_nsec && j->deadline_nsec < now + ALONE_POLL_MS * 1000000ull)
		timeout_ms =
		        j->deadline_nsec > now ? (int)((j->deadline_nsec - now) / 1000000u) + 1 : 0;
	(void)pthread_mutex_unlock(&s->lock);
	(void)poll(&p, 1, timeout_ms);
	(void)pthread_mutex_lock(&s->lock);
	if (!p.revents)
		return;
	s->alone = true;
	s->idle++;
	(void)receive(s, &buf);
	s->alone = false;
	if (s->ended)
		job_cancel(j);
	free(buf);
}

/* Waits until something about the job moved; 0, or what ended it. Under the lock. */
static int job_wait(struct job *j, struct corral_error *err)
{
	struct corral_files_stop stop = { .cancelled = &j->cancelled,
		                          .deadline_nsec = j->deadline_nsec };
	struct timespec until;
	int r = files_stopped(&stop, err);

	if (r < 0)
		return r;
	if (j->server->threads == 1) {
		receive_alone(j);
	} else if (!j->deadline_nsec) {
		(void)pthread_cond_wait(&j->moved, &j->server->lock);
	} else {
		until.tv_sec = (time_t)(j->deadline_nsec / 1000000000u);
		until.tv_nsec = (long)(j->deadline_nsec % 1000000000u);
		(void)pthread_cond_timedwait(&j->moved, &j->server->lock, &until);
	}
	return files_stopped(&stop, err);
}

static int send_chunk(struct job *j, const void *data, size_t len, struct corral_error *err)
{
	struct server *s = j->server;
	struct corral_files_data head = {
		.head = { CORRAL_FILES_DATA, (uint32_t)(sizeof(head) + len), j->asked.id },
		.seq = j->out_sent,
	};
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, len } };
	int r = 0;

	(void)pthread_mutex_lock(&s->lock);
	while (r == 0 && j->out_sent >= j->out_granted)
		r = job_wait(j, err);
	(void)pthread_mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	r = send_parts(s, parts, 2);
	j->out_sent++;
	return r < 0 ? corral_error_sys(err, -r, "answer") : 0;
}

/* Small answers wait for the reply, large ones go as they come. */
static int sink_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct job *j = ctx;
	int r = 0;

	if (j->out.len && j->out.len + len > CORRAL_FILES_CHUNK) {
		r = send_chunk(j, j->out.data, j->out.len, err);
		j->out.len = 0;
	}
	if (r < 0)
		return r;
	if (len == CORRAL_FILES_CHUNK)
		return send_chunk(j, data, len, err);
	corral_buf_add(&j->out, data, len);
	return j->out.failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

/* Lets the client send up to a window beyond what was taken. Under the lock; sends without it. */
static int grant(struct job *j)
{
	struct server *s = j->server;
	struct corral_files_wire_grant g = {
		.head = { CORRAL_FILES_GRANT, sizeof(g), j->asked.id },
		.total = j->in_next + CORRAL_FILES_WINDOW,
	};
	struct iovec part = { &g, sizeof(g) };
	int r;

	if (g.total == j->in_granted)
		return 0;
	j->in_granted = g.total;
	(void)pthread_mutex_unlock(&s->lock);
	r = send_parts(s, &part, 1);
	(void)pthread_mutex_lock(&s->lock);
	return r;
}

static long take_first(struct job *j, void *data, size_t size)
{
	size_t len = j->asked.data_len - j->in_at;

	if (len > size)
		len = size;
	if (len)
		memcpy(data, j->asked.data + j->in_at, len);
	j->in_at += len;
	if (j->in_at == j->asked.data_len) {
		j->first_done = true;
		j->in_at = 0;
		j->in_end = !j->asked.more;
	}
	return (long)len;
}

static long take_chunk(struct job *j, void *data, size_t size)
{
	struct chunk **slot = &j->in[j->in_next % CORRAL_FILES_WINDOW], *c = *slot;
	size_t len = c->len - j->in_at;

	if (len > size)
		len = size;
	memcpy(data, c->data + j->in_at, len);
	j->in_at += len;
	if (j->in_at == c->len) {
		j->in_end = c->last;
		j->in_at = 0;
		j->in_next++;
		free(c);
		*slot = NULL;
	}
	return (long)len;
}

static long source_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct job *j = ctx;
	struct server *s = j->server;
	long got = 0;
	int r = 0;

	if (!j->first_done) {
		got = take_first(j, data, size);
		if (got)
			return got;
	}
	(void)pthread_mutex_lock(&s->lock);
	/* An empty chunk only says that it was the last. */
	while (r == 0 && !got && !j->in_end) {
		r = grant(j);
		while (r == 0 && !j->in[j->in_next % CORRAL_FILES_WINDOW])
			r = job_wait(j, err);
		if (r == 0)
			got = take_chunk(j, data, size);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (r == -EPIPE)
		return corral_error_set(err, EPIPE, "the client is gone");
	return r < 0 ? r : got;
}

static void job_free(struct job *j)
{
	for (size_t i = 0; i < CORRAL_FILES_WINDOW; i++)
		free(j->in[i]);
	corral_buf_done(&j->out);
	(void)pthread_cond_destroy(&j->moved);
	free(j->message);
	free(j);
}

static void reply(struct job *j, const struct corral_files_call *c, int code,
                  const struct corral_error *err)
{
	struct corral_files_reply a = {
		.head = { CORRAL_FILES_REPLY, 0, j->asked.id },
		.code = code,
		.flags = c->reply_flags,
	};
	struct iovec parts[3] = { { &a, sizeof(a) } };

	memcpy(a.n, c->n, sizeof(a.n));
	if (code < 0) {
		a.text_len = (uint32_t)strnlen(err->text, sizeof(err->text) - 1);
		parts[1] = (struct iovec) { (void *)(uintptr_t)err->text, a.text_len };
	} else {
		a.data_len = (uint32_t)j->out.len;
		parts[2] = (struct iovec) { j->out.data, j->out.len };
	}
	a.head.size = (uint32_t)sizeof(a) + a.text_len + a.data_len;
	(void)send_parts(j->server, parts, 3);
}

static void job_run(struct job *j)
{
	struct corral_error err = { 0 };
	struct corral_files_call c = {
		.f = j->server->f,
		.asked = &j->asked,
		.stop = { .cancelled = &j->cancelled, .deadline_nsec = j->deadline_nsec },
		.source = { source_get, j },
		.sink = { sink_put, j },
	};
	int r = files_stopped(&c.stop, &err);
	bool is_long;

	if (r == 0)
		r = corral_files_call_run(&c, &err);
	/* Before the answer: with it the client may begin the next. */
	(void)pthread_mutex_lock(&j->server->lock);
	for (struct job **p = &j->server->running; *p; p = &(*p)->next) {
		if (*p == j) {
			*p = j->next;
			break;
		}
	}
	j->server->n_jobs--;
	j->server->n_long -= j->is_long;
	(void)pthread_mutex_unlock(&j->server->lock);
	reply(j, &c, r, &err);
	is_long = j->is_long;
	job_free(j);
	/* What a search took is the guest's memory, not ours to keep. */
	if (is_long)
		(void)malloc_trim(0);
}

/* Under the lock. */
static void job_begin(struct server *s, struct job *j)
{
	j->next = s->running;
	s->running = j;
	s->n_long += j->is_long;
}

/* The next that may run now, short ones first. Under the lock. */
static struct job *job_next(struct server *s)
{
	struct job **best = NULL, *j;

	for (struct job **p = &s->waiting; *p; p = &(*p)->next) {
		if ((*p)->is_long && s->n_long >= LONG_MAX_)
			continue;
		if (!best || (!(*p)->is_long && (*best)->is_long))
			best = p;
	}
	if (!best)
		return NULL;
	j = *best;
	*best = j->next;
	if (!j->next)
		s->last = best;
	job_begin(s, j);
	return j;
}

static struct job *find(struct server *s, uint64_t id)
{
	for (struct job *j = s->running; j; j = j->next) {
		if (j->asked.id == id)
			return j;
	}
	for (struct job *j = s->waiting; j; j = j->next) {
		if (j->asked.id == id)
			return j;
	}
	return NULL;
}

/* Takes message. NULL and s->result when it is none of ours. Under the lock. */
static struct job *job_new(struct server *s, char *message, size_t len)
{
	struct job *j = s->n_jobs < CORRAL_FILES_OUTSTANDING ? calloc(1, sizeof(*j)) : NULL;

	if (!j || corral_files_request_parse(message, len, &j->asked) < 0) {
		s->result = j || s->n_jobs >= CORRAL_FILES_OUTSTANDING ? -EBADMSG : -ENOMEM;
		free(j);
		free(message);
		return NULL;
	}
	j->server = s;
	j->message = message;
	j->out_granted = CORRAL_FILES_WINDOW;
	if (j->asked.timeout_ms && j->asked.timeout_ms < UINT32_MAX)
		j->deadline_nsec = corral_now_nsec() + j->asked.timeout_ms * 1000000u;
	corral_cond_init(&j->moved);
	j->is_long = corral_files_call_is_long(&j->asked);
	for (size_t i = 0; i < EARLY_MAX; i++) {
		if (s->early[i] == j->asked.id)
			job_cancel(j);
	}
	s->n_jobs++;
	return j;
}

/* Under the lock. 0, or -EBADMSG. */
static int take_data(struct job *j, const char *message, size_t len)
{
	struct corral_files_data d;
	struct chunk *c;

	if (len < sizeof(d) || len - sizeof(d) > CORRAL_FILES_CHUNK)
		return -EBADMSG;
	memcpy(&d, message, sizeof(d));
	len -= sizeof(d);
	if (d.seq >= j->in_granted || d.seq < j->in_next || j->in[d.seq % CORRAL_FILES_WINDOW])
		return -EBADMSG;
	c = malloc(sizeof(*c) + len);
	if (!c) {
		/* The data is lost, so is the request. */
		job_cancel(j);
		return 0;
	}
	c->len = len;
	c->last = d.last;
	memcpy(c->data, message + sizeof(d), len);
	j->in[d.seq % CORRAL_FILES_WINDOW] = c;
	(void)pthread_cond_signal(&j->moved);
	return 0;
}

/* A message for a request that runs, or waits, or is over. Under the lock. */
static int control(struct server *s, const struct corral_files_head *head, const char *message,
                   size_t len)
{
	struct job *j = find(s, head->id);
	struct corral_files_wire_grant g;

	switch ((enum corral_files_wire_type)head->type) {
	case CORRAL_FILES_CANCEL:
		if (j)
			job_cancel(j);
		else
			s->early[s->next_early++ % EARLY_MAX] = head->id;
		return 0;
	case CORRAL_FILES_GRANT:
		if (len != sizeof(g))
			return -EBADMSG;
		memcpy(&g, message, sizeof(g));
		if (j && g.total > j->out_granted) {
			j->out_granted = g.total;
			(void)pthread_cond_signal(&j->moved);
		}
		return 0;
	case CORRAL_FILES_DATA:
		/* What comes after the answer is late, not wrong. */
		return j ? take_data(j, message, len) : 0;
	case CORRAL_FILES_REQUEST:
	case CORRAL_FILES_REPLY:
		break;
	}
	return -EBADMSG;
}

static void *worker(void *arg);

/* Another thread will receive. Under the lock. */
static bool have_receiver(struct server *s)
{
	pthread_t thread;

	if (s->idle)
		return true;
	if (s->threads == THREADS_MAX || pthread_create(&thread, &s->attr, worker, s) != 0)
		return false;
	s->threads++;
	s->idle++; /* on its behalf: nobody else needs to start one */
	return true;
}

/*
 * A request, received: begun by this thread if another is left to receive, or none can be had; one
 * that only receives for the job it works on has no hands for a second. Under the lock.
 */
static struct job *accept_job(struct server *s, char *message, size_t len)
{
	struct job *j = job_new(s, message, len);

	if (!j)
		return NULL;
	if (!s->alone && (!j->is_long || s->n_long < LONG_MAX_) &&
	    (have_receiver(s) || s->threads == 1)) {
		job_begin(s, j);
		return j;
	}
	*s->last = j;
	s->last = &j->next;
	return NULL;
}

/* Blocks for one message; what to do now, or NULL. s->ended at the end. Takes and gives the lock.
 */
static struct job *receive(struct server *s, char **buf)
{
	struct corral_files_head head;
	struct job *j = NULL;
	ssize_t len;

	(void)pthread_mutex_unlock(&s->lock);
	if (!*buf)
		*buf = malloc(CORRAL_FILES_WIRE_MAX);
	do {
		len = *buf ? recv(s->sock, *buf, CORRAL_FILES_WIRE_MAX, MSG_TRUNC) : -1;
	} while (len < 0 && errno == EINTR);
	(void)pthread_mutex_lock(&s->lock);
	s->idle--;
	if (len <= 0 || s->ended) {
		s->ended = true;
		return NULL;
	}
	if (len >= (ssize_t)sizeof(head) && (size_t)len <= CORRAL_FILES_WIRE_MAX) {
		memcpy(&head, *buf, sizeof(head));
		if (head.size != (size_t)len) {
			s->result = -EBADMSG;
		} else if (head.type != CORRAL_FILES_REQUEST) {
			int r = control(s, &head, *buf, (size_t)len);

			if (r < 0)
				s->result = r;
		} else {
			/* The job keeps as much of it as there is. */
			char *fit = realloc(*buf, (size_t)len);

			j = accept_job(s, fit ? fit : *buf, (size_t)len);
			*buf = NULL;
		}
	} else {
		s->result = -EBADMSG;
	}
	if (s->result < 0)
		s->ended = true;
	return j;
}

static void end_all(struct server *s)
{
	for (struct job *j = s->running; j; j = j->next)
		job_cancel(j);
	/* Wakes those that wait in recv(), and those that would send. */
	(void)shutdown(s->sock, SHUT_RDWR);
}

/* A thread's life; idle counts it while it is in receive(). */
static void work(struct server *s)
{
	char *buf = NULL;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->ended) {
		struct job *j = receive(s, &buf);

		while (j) {
			(void)pthread_mutex_unlock(&s->lock);
			job_run(j);
			(void)pthread_mutex_lock(&s->lock);
			j = s->ended ? NULL : job_next(s);
		}
		if (s->idle >= IDLE_MAX)
			break;
		s->idle++;
	}
	if (s->ended)
		end_all(s);
	s->threads--;
	(void)pthread_cond_signal(&s->gone);
	(void)pthread_mutex_unlock(&s->lock);
	free(buf);
}

static void *worker(void *arg)
{
	work(arg);
	return NULL;
}

static int wait_for_threads(struct server *s)
{
	struct timespec until;
	int r = 0;

	(void)pthread_mutex_lock(&s->lock);
	while (s->threads && !s->ended)
		(void)pthread_cond_wait(&s->gone, &s->lock);
	until = corral_clock_after(END_WAIT_MS);
	while (s->threads && r == 0)
		r = pthread_cond_timedwait(&s->gone, &s->lock, &until);
	r = s->threads ? -ETIMEDOUT : 0;
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

int corral_files_serve(int sock, const struct corral_files *f)
{
	struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->sock = sock;
	s->f = f;
	s->last = &s->waiting;
	s->threads = 1;
	s->idle = 1;
	(void)pthread_mutex_init(&s->lock, NULL);
	corral_cond_init(&s->gone);
	(void)pthread_attr_init(&s->attr);
	(void)pthread_attr_setstacksize(&s->attr, STACK_SIZE);
	(void)pthread_attr_setdetachstate(&s->attr, PTHREAD_CREATE_DETACHED);
	work(s);
	r = wait_for_threads(s);
	if (r < 0)
		return r;
	r = s->result;
	while (s->waiting) {
		struct job *next = s->waiting->next;

		job_free(s->waiting);
		s->waiting = next;
	}
	(void)pthread_attr_destroy(&s->attr);
	(void)pthread_cond_destroy(&s->gone);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	return r;
}
