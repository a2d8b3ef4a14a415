#include "tools/summary.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/config.h"
#include "policy/seccomp.h"
#include "tools/message.h"
#include "tools/write_all.h"

#define WIDTH       80
#define LABEL_WIDTH 18

void corral_human_age(int64_t ms, char *buf, size_t size)
{
	uint64_t seconds = ms > 0 ? (uint64_t)ms / 1000 : 0;

	if (seconds < 120)
		(void)snprintf(buf, size, "%" PRIu64 "s", seconds);
	else if (seconds < 7200)
		(void)snprintf(buf, size, "%" PRIu64 "m", seconds / 60);
	else if (seconds < 172800)
		(void)snprintf(buf, size, "%" PRIu64 "h", seconds / 3600);
	else
		(void)snprintf(buf, size, "%" PRIu64 "d", seconds / 86400);
}

void corral_human_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t i = 0;

	if (bytes == UINT64_MAX) {
		(void)snprintf(buf, size, "?");
		return;
	}
	while (value >= 1024 && i + 1 < CORRAL_COUNT(units)) {
		value /= 1024;
		i++;
	}
	(void)snprintf(buf, size, i && value < 10 ? "%.1f %s" : "%.0f %s", value, units[i]);
}

static void label(struct corral_buf *b, const char *text)
{
	corral_buf_fmt(b, "  %-*s", LABEL_WIDTH - 2, text);
}

/* Words after the label, broken before the 80th column. */
struct line {
	struct corral_buf *buf;
	size_t at;
};

static void line_word(struct line *l, const char *word)
{
	size_t len = strlen(word);

	if (l->at > LABEL_WIDTH && l->at + 1 + len > WIDTH) {
		corral_buf_fmt(l->buf, "\n%*s", LABEL_WIDTH, "");
		l->at = LABEL_WIDTH;
	}
	if (l->at > LABEL_WIDTH)
		corral_buf_str(l->buf, " ");
	l->at += len + (l->at > LABEL_WIDTH);
	corral_buf_str(l->buf, word);
}

static void put_layers(struct corral_buf *b, const struct corral_receipt *r)
{
	struct line l = { b, LABEL_WIDTH };

	label(b, "contained by");
	for (unsigned int i = 0; i < CORRAL_LAYER_COUNT; i++)
		if (r->layers & (1u << i))
			line_word(&l, corral_layer_name((enum corral_layer)(1u << i)));
	if (!r->layers)
		line_word(&l, "nothing");
	corral_buf_fmt(b, "\n");
	label(b, "tier");
	corral_buf_fmt(b, "%s\n", corral_tier_name(r->tier));
}

/* A container's is the engine's. */
static void put_network(struct corral_buf *b, const struct corral_receipt *r)
{
	if (r->tier != CORRAL_TIER_FULL && r->tier != CORRAL_TIER_CONFINED)
		return;
	label(b, "network");
	corral_buf_fmt(b, "%s%s%s\n", corral_network_name((enum corral_network_mode)r->network),
	               r->address[0] ? ", address " : "", r->address);
}

static void put_lost(struct corral_buf *b, const struct corral_receipt *r)
{
	struct line l = { b, LABEL_WIDTH };

	if (!r->limits_lost)
		return;
	label(b, "not enforced");
	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++)
		if (r->limits_lost & (1u << i))
			line_word(&l, corral_limit_name((enum corral_limit)(1u << i)));
	if (r->tier != CORRAL_TIER_CONTAINER)
		line_word(&l, "(corral doctor says why)");
	corral_buf_str(b, "\n");
}

static void put_usage(struct corral_buf *b, const struct corral_receipt *r,
                      const struct corral_limits *limits)
{
	char used[32], limit[32];

	corral_human_bytes(r->memory_peak_bytes, used, sizeof(used));
	corral_human_bytes(limits->memory_bytes, limit, sizeof(limit));
	label(b, "peak memory");
	corral_buf_fmt(b, "%s", used);
	if (limits->memory_bytes && !(r->limits_lost & CORRAL_LIMIT_MEMORY))
		corral_buf_fmt(b, " of %s", limit);
	corral_buf_str(b, "\n");
	if (r->pids_peak != UINT64_MAX) {
		label(b, "peak processes");
		corral_buf_fmt(b, "%" PRIu64, r->pids_peak);
		if (limits->pids && !(r->limits_lost & CORRAL_LIMIT_PIDS))
			corral_buf_fmt(b, " of %" PRIu64, limits->pids);
		corral_buf_str(b, "\n");
	}
	if (r->written_bytes != UINT64_MAX) {
		corral_human_bytes(r->written_bytes, used, sizeof(used));
		label(b, "written");
		corral_buf_fmt(b, "%s\n", used);
	}
}

static void put_contacts(struct corral_buf *b, const struct corral_ledger *l)
{
	char address[CORRAL_ADDRESS_TEXT_SIZE], protocol[8], sent[32], received[32];

	for (uint32_t i = 0; i < l->n_contacts && i < CORRAL_CONTACTS_MAX; i++) {
		const struct corral_contact *c = &l->contacts[i];
		const char *name = corral_ledger_name(l, c->name);
		bool six = c->address.family == 6;

		corral_human_bytes(c->sent_bytes, sent, sizeof(sent));
		corral_human_bytes(c->received_bytes, received, sizeof(received));
		label(b, i ? "" : "talked to");
		corral_buf_fmt(b, "%s%s%s%s%s:%u/%s, %s out, %s in, %u connection%s\n", name,
		               *name ? " " : "", six ? "[" : "",
		               corral_address_text(&c->address, address), six ? "]" : "", c->port,
		               corral_protocol_name(c->protocol, protocol), sent, received,
		               c->connections, c->connections == 1 ? "" : "s");
	}
	if (l->contacts_dropped) {
		label(b, "");
		corral_buf_fmt(b, "and %" PRIu64 " others\n", l->contacts_dropped);
	}
}

static void put_refusals(struct corral_buf *b, const struct corral_ledger *l, bool first)
{
	char text[CORRAL_REFUSAL_TEXT_SIZE], remedy[CORRAL_REFUSAL_TEXT_SIZE];

	for (uint32_t i = 0; i < l->n_refusals && i < CORRAL_REFUSALS_MAX; i++) {
		const struct corral_refusal *d = &l->refusals[i];
		const char *with = corral_refusal_remedy(l, d, remedy);
		const char *why = corral_refusal_why(d);

		label(b, first && !i ? "refused" : "");
		corral_buf_fmt(b, "%s, %" PRIu64 " time%s, by rule %s%s%s%s%s%s\n",
		               corral_refusal_text(l, d, text), d->count, d->count == 1 ? "" : "s",
		               CORRAL_REFUSAL_RULE, why ? ": " : "", why ? why : "",
		               with ? " (" : "", with ? with : "", with ? ")" : "");
	}
}

static void put_denials(struct corral_buf *b, const struct corral_receipt *r)
{
	uint64_t dropped;

	for (uint32_t i = 0; i < r->n_denials && i < CORRAL_DENIALS_MAX; i++) {
		const struct corral_denial *d = &r->denials[i];
		struct corral_denial_text text = { .rule = NULL };

		corral_seccomp_explain(&d->call, &text);
		label(b, i ? "" : "refused");
		corral_buf_fmt(b, "%s, %u time%s", text.call, d->count, d->count == 1 ? "" : "s");
		if (text.rule)
			corral_buf_fmt(b, ", by rule %s", text.rule);
		corral_buf_str(b, "\n");
	}
	if (r->ledger)
		put_refusals(b, r->ledger, !r->n_denials);
	dropped = r->denials_dropped + (r->ledger ? r->ledger->refusals_dropped : 0);
	if (dropped) {
		label(b, "");
		corral_buf_fmt(b, "and %" PRIu64 " of further kinds\n", dropped);
	}
}

static void put_stages(struct corral_buf *b, const struct corral_receipt *r)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < CORRAL_STAGE_COUNT; i++) {
		label(b, i ? "" : "stages");
		corral_buf_fmt(b, "%-8s %9.3f ms\n", corral_stage_name((enum corral_stage)i),
		               (double)r->stage_usec[i] / 1000);
		total += r->stage_usec[i];
	}
	label(b, "");
	corral_buf_fmt(b, "%-8s %9.3f ms\n", "all", (double)total / 1000);
}

void corral_summary_print(const struct corral_receipt *r, const struct corral_limits *limits,
                          int exit_status)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	const char *signal_name = r->signal ? sigabbrev_np(r->signal) : NULL;

	corral_buf_fmt(&b, "corral: %s", corral_reason_name(r->reason));
	if (signal_name)
		corral_buf_fmt(&b, " (SIG%s)", signal_name);
	corral_buf_fmt(&b, ", exit status %d, after %.1f ms (user %.1f, system %.1f)\n",
	               exit_status, (double)r->wall_usec / 1000, (double)r->user_usec / 1000,
	               (double)r->system_usec / 1000);
	put_layers(&b, r);
	put_network(&b, r);
	put_lost(&b, r);
	put_usage(&b, r, limits);
	if (r->ledger)
		put_contacts(&b, r->ledger);
	put_denials(&b, r);
	put_stages(&b, r);
	if (!b.failed)
		(void)corral_write_all(STDERR_FILENO, b.data, b.len);
}

void corral_verdict_text(const struct corral_receipt *r, const struct corral_limits *limits,
                         char *buf, size_t buf_size)
{
	char size[32];

	switch (r->reason) {
	case CORRAL_REASON_EXIT:
	case CORRAL_REASON_KILLED:
		buf[0] = '\0';
		return;
	case CORRAL_REASON_SIGNAL:
		buf[0] = '\0';
		if (r->signal != SIGXFSZ || !limits->file_size_bytes)
			return;
		corral_human_bytes(limits->file_size_bytes, size, sizeof(size));
		(void)snprintf(buf, buf_size,
		               "a file of it went beyond %s (--file-size gives it more)", size);
		return;
	case CORRAL_REASON_TIMEOUT:
		(void)snprintf(
		        buf, buf_size,
		        "timed out after %g s: killed with all it started (--timeout gives it "
		        "more)",
		        (double)limits->timeout_ms / 1000);
		return;
	case CORRAL_REASON_OOM:
		corral_human_bytes(limits->memory_bytes, size, sizeof(size));
		(void)snprintf(
		        buf, buf_size,
		        "out of memory at %s: killed with all it started (--memory gives it more)",
		        size);
		return;
	case CORRAL_REASON_PIDS:
		(void)snprintf(buf, buf_size,
		               "it was refused new processes at %" PRIu64 " (--pids gives it more)",
		               limits->pids);
		return;
	case CORRAL_REASON_DISK:
		if (r->struck == CORRAL_LIMIT_DISK_INODES) {
			(void)snprintf(buf, buf_size,
			               "it had written %" PRIu64
			               " files (--disk-inodes gives it more)",
			               limits->disk_inodes);
			return;
		}
		corral_human_bytes(limits->disk_bytes, size, sizeof(size));
		(void)snprintf(buf, buf_size,
		               "its writable space was full at %s (--disk gives it more)", size);
		return;
	case CORRAL_REASON_OUTPUT:
		corral_human_bytes(limits->output_bytes, size, sizeof(size));
		(void)snprintf(
		        buf, buf_size,
		        "more output than %s: killed with all it started (--output gives it more)",
		        size);
		return;
	}
}

void corral_verdict_print(const struct corral_receipt *r, const struct corral_limits *limits)
{
	char text[256] = "";

	corral_verdict_text(r, limits, text, sizeof(text));
	if (text[0])
		corral_say("%s", text);
}
