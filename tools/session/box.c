#include "tools/session/box.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/ask.h"
#include "tools/compile.h"
#include "tools/holder.h"
#include "tools/sandbox_commands.h"
#include "tools/session/commands.h"

/* How long another is waited for that begins or ends a sandbox over the same files. */
#define OTHER_MS 10000
#define NAP_MS   10
/* One for a single command, whose owner was killed before he could end it. */
#define SPARE_IDLE_MS 2000

static void nap(void)
{
	const struct timespec t = { .tv_nsec = NAP_MS * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* Which root it is of, by whatever path it was named. */
static int key_of(struct corral_call *call, char *buf, size_t size, struct corral_error *err)
{
	const char *root = corral_session_store_root(call->store);
	struct stat st;

	if (stat(root, &st) < 0)
		return corral_error_sys(err, errno, "look at '%.200s'", root);
	(void)snprintf(buf, size, "%" PRIxMAX ":%" PRIxMAX, (uintmax_t)st.st_dev,
	               (uintmax_t)st.st_ino);
	return 0;
}

static bool is_of(const struct corral_record *r, const char *key, const char *id)
{
	const char *own = corral_talk_text(r->words, "session_key");

	return r->session && own && !strcmp(own, key) && !strcmp(r->session, id);
}

int corral_session_box_find(struct corral_call *call, const char *id, struct corral_record *ret,
                            struct corral_error *err)
{
	struct corral_record *records;
	char key[48];
	size_t n;
	int r = key_of(call, key, sizeof(key), err);

	if (r == 0)
		r = corral_sandboxes_list(&call->sandboxes, &records, &n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!is_of(&records[i], key, id))
			continue;
		*ret = records[i];
		records[i].words = NULL;
		r = 1;
	}
	corral_records_free(records, n);
	return r;
}

int corral_session_boxes_mark(struct corral_call *call, struct corral_session_record *sessions,
                              size_t n, struct corral_error *err)
{
	struct corral_record *records;
	char key[48];
	size_t n_records;
	int r = key_of(call, key, sizeof(key), err);

	if (r == 0)
		r = corral_sandboxes_list(&call->sandboxes, &records, &n_records, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_records; i++)
		for (size_t k = 0; k < n; k++)
			sessions[k].running |= is_of(&records[i], key, sessions[k].id);
	for (size_t k = 0; k < n; k++)
		if (sessions[k].isolation == CORRAL_ISOLATION_DOCKER)
			sessions[k].running |= corral_session_turn_is_taken(call, sessions[k].id);
	corral_records_free(records, n_records);
	return 0;
}

static int policy_compile(struct corral_call *call, const struct corral_session_record *session,
                          struct corral_policy **ret, struct corral_error *err)
{
	struct corral_config *config = NULL;
	int r = corral_session_store_config(call->store, session->id, &config, err);

	if (r == 0)
		r = corral_config_compile(config, ret, err);
	corral_config_free(config);
	return r;
}

/*
 * Between the making of its policy and the holder's lock somebody may have kept or dropped the
 * layer that it writes to. With the lock nobody does.
 */
static bool is_topmost(const struct corral_policy *p)
{
	struct stat st;

	return !p->keep_path || (stat(p->keep_path, &st) == 0 && (st.st_mode & S_IWUSR));
}

/* A holder of its own for it. -EBUSY: another was faster. */
static int start(struct corral_call *call, const struct corral_session_record *session,
                 bool is_spare, char ret_id[CORRAL_SANDBOX_ID_SIZE], struct corral_error *err)
{
	uint64_t idle_ms = call->options.idle_ms;
	struct corral_policy *policy = NULL;
	char key[48];
	struct corral_holder_options o = {
		.name = "",
		.idle_ms = is_spare                          ? SPARE_IDLE_MS
		           : idle_ms == CORRAL_OPTION_UNSAID ? CORRAL_SESSION_BOX_IDLE_MS
		                                             : idle_ms,
		.session = session->id,
		.session_root = corral_session_store_root(call->store),
		.session_key = key,
	};
	int leave_fd = -1, r;

	ret_id[0] = '\0';
	r = key_of(call, key, sizeof(key), err);
	if (r == 0)
		r = policy_compile(call, session, &policy, err);
	o.policy = policy;
	if (r == 0)
		r = corral_holder_start(&o, ret_id, &leave_fd, err);
	if (r == 0 && !is_topmost(policy)) {
		(void)close(leave_fd);
		r = -EBUSY;
	} else if (r == 0) {
		r = corral_holder_leave(leave_fd, err);
	}
	corral_policy_free(policy);
	return r;
}

/* -EAGAIN: it is about to end. It does not hibernate before idle time has passed again. */
static int ask_to_stay(const struct corral_record *record, int fd, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	const char *status;
	int r = corral_talk_send(fd, json_pack("{s:s, s:b}", "op", "status", "stay", true), NULL, 0,
	                         err);

	if (r == 0)
		r = corral_talk_await(fd, CORRAL_ASK_MS, &t, err);
	if (r == -ETIMEDOUT)
		r = corral_record_silent(record, err);
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return -EAGAIN;
	if (r > 0)
		r = corral_ask_error(&t, err);
	status = r == 0 ? corral_talk_text(t.words, "status") : NULL;
	if (status && !strcmp(status, "stopping"))
		r = -EAGAIN;
	else if (status && !strcmp(status, "paused"))
		r = corral_error_set(err, EBUSY, "its sandbox is paused: corral sandbox resume %s",
		                     record->id);
	corral_talk_done(&t);
	return r;
}

/* The one that there is. 1; 0: there is none; -EAGAIN: it is about to end. */
static int join(struct corral_call *call, const char *id, struct corral_session_box *box,
                struct corral_error *err)
{
	int r = corral_session_box_find(call, id, &box->record, err);

	if (r <= 0)
		return r;
	r = corral_sandboxes_connect(&call->sandboxes, &box->record, &box->socket_fd, err);
	if (r == -ENOENT)
		r = -EAGAIN;
	if (r == 0)
		r = ask_to_stay(&box->record, box->socket_fd, err);
	if (r == 0)
		return 1;
	corral_fd_closep(&box->socket_fd);
	corral_record_done(&box->record);
	return r;
}

static int spare_open(struct corral_call *call, const struct corral_session_record *session,
                      struct corral_session_box *box, struct corral_error *err)
{
	char id[CORRAL_SANDBOX_ID_SIZE];
	int r = start(call, session, true, id, err);

	if (r == 0)
		r = corral_sandboxes_find(&call->sandboxes, id, &box->record, err);
	if (r == 0)
		r = corral_sandboxes_connect(&call->sandboxes, &box->record, &box->socket_fd, err);
	return r;
}

static int others_error(const struct corral_call *call, struct corral_error *err)
{
	return corral_error_set(
	        err, EBUSY,
	        "its files are in use, and not by a sandbox of those in '%.160s': whoever runs it "
	        "(another service, or corral with another XDG_RUNTIME_DIR) has to let it go first",
	        call->sandboxes.path);
}

int corral_session_box_open(struct corral_call *call, const struct corral_session_record *session,
                            struct corral_session_box *ret, struct corral_error *err)
{
	uint64_t until_ms = corral_now_ms() + OTHER_MS;
	struct corral_session_box box = { .socket_fd = -1 };
	char id[CORRAL_SANDBOX_ID_SIZE];
	int r;

	if (session->runtime->scope == CORRAL_SCOPE_CALL) {
		box.is_spare = true;
		r = spare_open(call, session, &box, err);
	}
	while (!box.is_spare) {
		r = join(call, session->id, &box, err);
		if (r == 0)
			r = start(call, session, false, id, err);
		else if (r != -EAGAIN)
			break;
		if (r < 0 && r != -EBUSY && r != -EAGAIN)
			break;
		/* One of ours has begun: however long that took, it is there to be joined. */
		if (r == 0)
			continue;
		if (corral_now_ms() > until_ms) {
			r = others_error(call, err);
			break;
		}
		nap();
	}
	if (r < 0) {
		corral_fd_closep(&box.socket_fd);
		corral_record_done(&box.record);
		return corral_error_wrap(err, r, "session %s", session->id);
	}
	*ret = box;
	return 0;
}

void corral_session_box_close(struct corral_call *call, struct corral_session_box *box)
{
	corral_fd_closep(&box->socket_fd);
	if (box->is_spare && box->record.words)
		(void)corral_sandboxes_end(&call->sandboxes, &box->record, 0, NULL);
	corral_record_done(&box->record);
}

int corral_session_hibernate(struct corral_call *call, const char *id, bool force,
                             struct corral_error *err)
{
	for (;;) {
		struct corral_record record = { .words = NULL };
		struct corral_error why = { 0 };
		int r = corral_session_box_find(call, id, &record, err);

		if (r <= 0)
			return r;
		r = force ? corral_sandboxes_end(&call->sandboxes, &record, CORRAL_STOP_GRACE_MS,
		                                 &why)
		          : corral_sandboxes_end_idle(&call->sandboxes, &record, &why);
		corral_record_done(&record);
		if (r == -EBUSY)
			return corral_error_set(err, EBUSY,
			                        "session %s: %.300s: wait for its end, or end it: "
			                        "corral session hibernate%s -f %s",
			                        id, why.text, call->at, id);
		if (r < 0)
			return corral_error_set(err, -r, "session %s: %s", id, why.text);
	}
}

int corral_session_at_rest(struct corral_call *call, const char *id, bool force,
                           int (*act)(struct corral_call *call, void *ctx,
                                      struct corral_error *err),
                           void *ctx, struct corral_error *err)
{
	uint64_t until_ms = corral_now_ms() + OTHER_MS;

	for (;;) {
		int r = corral_session_hibernate(call, id, force, err);

		if (r < 0)
			return r;
		r = act(call, ctx, err);
		if (r != -EBUSY)
			return r;
		if (corral_now_ms() > until_ms)
			return corral_error_wrap(err, others_error(call, err), "session %.64s", id);
		nap();
	}
}
