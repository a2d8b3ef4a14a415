/*
 * corral sandbox list, stats and ps: what there is, what it uses, what runs in it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/ask.h"
#include "tools/inside.h"
#include "tools/json_print.h"
#include "tools/sandbox_commands.h"
#include "tools/summary.h"
#include "tools/table.h"

/* Between the two looks that the use of the processor takes. */
#define SAMPLE_MS 500

/* The one of both that was asked for; takes both. */
static int print(const struct corral_call *call, struct corral_table *t, json_t *list,
                 struct corral_error *err)
{
	int r;

	if (call->options.json) {
		r = corral_json_print(list, err);
	} else {
		r = corral_table_print(t, stdout);
		if (r < 0)
			r = corral_error_sys(err, -r, "print");
		json_decref(list);
	}
	corral_table_done(t);
	return r;
}

static const char *status_of(const json_t *answer)
{
	const char *word = corral_talk_text(answer, "status");

	return word ? word : "no answer";
}

static void list_row(struct corral_table *t, const struct corral_record *r, const json_t *answer)
{
	const char *workspace = corral_talk_text(r->words, "workspace");
	const char *network = corral_talk_text(r->words, "network");
	const char *session = r->session;
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	char age[32], commands[32] = "?";

	corral_human_age(now_ms - r->created_ms, age, sizeof(age));
	if (answer)
		(void)snprintf(commands, sizeof(commands), "%" PRId64,
		               corral_talk_number(answer, "commands", 0));
	corral_table_add(t, (const char *const[]) {
	                            r->id, r->name[0] ? r->name : "-", status_of(answer), age,
	                            commands, network ? network : "?", session ? session : "-",
	                            workspace ? workspace : "-" });
}

static json_t *list_object(const struct corral_record *r, const json_t *answer)
{
	json_t *o = json_deep_copy(r->words);
	int64_t commands = corral_talk_number(answer, "commands", -1);

	if (!o)
		return NULL;
	if (!json_object_get(o, "name"))
		(void)json_object_set_new(o, "name", json_null());
	(void)json_object_set_new(o, "status", json_string(status_of(answer)));
	(void)json_object_set_new(o, "commands",
	                          commands < 0 ? json_null() : json_integer(commands));
	return o;
}

int corral_sandbox_list(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "ID",       "NAME",    "STATUS",  "AGE",
		                                "COMMANDS", "NETWORK", "SESSION", "WORKSPACE" };
	struct corral_record *records;
	corral_autofree json_t **answers = NULL;
	struct corral_table table;
	json_t *list;
	size_t n;
	int r = corral_sandboxes_list(&call->sandboxes, &records, &n, err);

	if (r < 0)
		return r;
	if (call->options.quiet) {
		for (size_t i = 0; i < n; i++)
			(void)puts(records[i].id);
		corral_records_free(records, n);
		return 0;
	}
	answers = calloc(n + 1, sizeof(*answers));
	if (!answers) {
		corral_records_free(records, n);
		return corral_error_sys(err, ENOMEM, "list");
	}
	corral_ask_all(&call->sandboxes, records, n, "status", answers);
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		if (call->options.json)
			(void)json_array_append_new(list, list_object(&records[i], answers[i]));
		else
			list_row(&table, &records[i], answers[i]);
		json_decref(answers[i]);
	}
	corral_records_free(records, n);
	return print(call, &table, list, err);
}

/* All of them, or those that are named. */
static int chosen(struct corral_call *call, struct corral_record **ret, size_t *ret_n,
                  struct corral_error *err)
{
	struct corral_record *records;
	size_t n = 0;
	int r = 0;

	if (!call->n_operands)
		return corral_sandboxes_list(&call->sandboxes, ret, ret_n, err);
	records = calloc(call->n_operands, sizeof(*records));
	if (!records)
		return corral_error_sys(err, ENOMEM, "stats");
	while (n < call->n_operands && r == 0) {
		r = corral_sandboxes_find(&call->sandboxes, call->operands[n], &records[n], err);
		n += r == 0;
	}
	if (r < 0) {
		corral_records_free(records, n);
		return r;
	}
	*ret = records;
	*ret_n = n;
	return 0;
}

/* Per cent of one processor between two looks; negative: not known. */
static double cpu_percent(const json_t *before, const json_t *now)
{
	int64_t at[] = { corral_talk_number(before, "at_usec", -1),
		         corral_talk_number(now, "at_usec", -1) };
	int64_t used[] = { corral_talk_number(before, "cpu_usec", -1),
		           corral_talk_number(now, "cpu_usec", -1) };

	if (at[0] < 0 || at[1] <= at[0] || used[0] < 0 || used[1] < used[0])
		return -1;
	return 100.0 * (double)(used[1] - used[0]) / (double)(at[1] - at[0]);
}

static void bytes_text(const json_t *o, const char *key, const char *none, char *buf, size_t size)
{
	int64_t n = corral_talk_number(o, key, -1);

	if (n < 0)
		(void)snprintf(buf, size, "%s", none);
	else
		corral_human_bytes((uint64_t)n, buf, size);
}

static void number_text(const json_t *o, const char *key, const char *none, char *buf, size_t size)
{
	int64_t n = corral_talk_number(o, key, -1);

	if (n < 0)
		(void)snprintf(buf, size, "%s", none);
	else
		(void)snprintf(buf, size, "%" PRId64, n);
}

static void stats_row(struct corral_table *t, const struct corral_record *r, const json_t *o)
{
	double percent = json_real_value(json_object_get(o, "cpu_percent"));
	char memory[32], memory_limit[32], cpu[32] = "?", pids[32], pids_limit[32], disk[32],
	                                   disk_limit[32];

	bytes_text(o, "memory_bytes", "?", memory, sizeof(memory));
	bytes_text(o, "memory_limit_bytes", "-", memory_limit, sizeof(memory_limit));
	if (json_is_real(json_object_get(o, "cpu_percent")))
		(void)snprintf(cpu, sizeof(cpu), "%.1f%%", percent);
	number_text(o, "pids", "?", pids, sizeof(pids));
	number_text(o, "pids_limit", "-", pids_limit, sizeof(pids_limit));
	bytes_text(o, "disk_bytes", "?", disk, sizeof(disk));
	bytes_text(o, "disk_limit_bytes", "-", disk_limit, sizeof(disk_limit));
	corral_table_add(t, (const char *const[]) { r->id, r->name[0] ? r->name : "-", cpu, memory,
	                                            memory_limit, pids, pids_limit, disk,
	                                            disk_limit });
}

/* One sandbox's numbers as they are printed; what is not known here is null. */
static json_t *stats_object(const struct corral_record *r, json_t *before, json_t *now)
{
	double percent = cpu_percent(before, now);
	struct corral_inside *inside = NULL;
	json_t *o = now ? json_deep_copy(now) : json_object();
	size_t n;

	(void)json_object_del(o, "type");
	(void)json_object_del(o, "at_usec");
	(void)json_object_set_new(o, "id", json_string(r->id));
	(void)json_object_set_new(o, "name", r->name[0] ? json_string(r->name) : json_null());
	(void)json_object_set_new(o, "cpu_percent", percent < 0 ? json_null() : json_real(percent));
	/* Without a control group they can still be counted. */
	if (now && !json_is_integer(json_object_get(o, "pids")) &&
	    corral_inside_list(r->init_pid, &inside, &n, NULL) == 0) {
		uint64_t threads = 0;

		for (size_t i = 0; i < n; i++)
			threads += inside[i].threads;
		(void)json_object_set_new(o, "pids", json_integer((json_int_t)threads));
	}
	free(inside);
	return o;
}

int corral_sandbox_stats(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "ID",   "NAME",  "CPU",  "MEMORY", "LIMIT",
		                                "PIDS", "LIMIT", "DISK", "LIMIT" };
	const struct timespec sample = { 0, SAMPLE_MS * 1000000L };
	corral_autofree json_t **answers = NULL;
	struct corral_record *records;
	struct corral_table table;
	json_t *list;
	size_t n;
	int r = chosen(call, &records, &n, err);

	if (r < 0)
		return r;
	answers = calloc(2 * n + 1, sizeof(*answers));
	if (!answers) {
		corral_records_free(records, n);
		return corral_error_sys(err, ENOMEM, "stats");
	}
	corral_ask_all(&call->sandboxes, records, n, "stats", answers);
	if (n)
		(void)nanosleep(&sample, NULL);
	corral_ask_all(&call->sandboxes, records, n, "stats", answers + n);
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *o = stats_object(&records[i], answers[i], answers[n + i]);

		stats_row(&table, &records[i], o);
		(void)json_array_append_new(list, o);
		json_decref(answers[i]);
		json_decref(answers[n + i]);
	}
	corral_records_free(records, n);
	return print(call, &table, list, err);
}

static const char *id_text(uint32_t id, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%u", id);
	return id == UINT32_MAX ? "?" : buf;
}

static void ps_row(struct corral_table *t, const struct corral_inside *p)
{
	uint64_t seconds = p->cpu_ticks / (uint64_t)sysconf(_SC_CLK_TCK);
	char guest_pid[16], host_pid[16], uid[16], rss[32], cpu[32];
	const char state[] = { p->state, '\0' };

	(void)snprintf(guest_pid, sizeof(guest_pid), "%d", p->guest_pid);
	(void)snprintf(host_pid, sizeof(host_pid), "%d", p->host_pid);
	(void)snprintf(cpu, sizeof(cpu), "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
	corral_human_bytes(p->rss_bytes, rss, sizeof(rss));
	corral_table_add(t, (const char *const[]) { p->guest_pid ? guest_pid : "-", host_pid,
	                                            id_text(p->guest_uid, uid, sizeof(uid)), state,
	                                            rss, cpu, p->command });
}

static json_t *ps_object(const struct corral_inside *p)
{
	const char state[] = { p->state, '\0' };
	json_t *o =
	        json_pack("{s:i, s:i, s:s, s:I, s:I, s:I}", "pid", p->guest_pid, "host_pid",
	                  p->host_pid, "state", state, "rss_bytes", (json_int_t)p->rss_bytes,
	                  "threads", (json_int_t)p->threads, "cpu_usec",
	                  (json_int_t)(p->cpu_ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK)));
	json_t *command = json_string(p->command);

	(void)json_object_set_new(o, "uid",
	                          p->guest_uid == UINT32_MAX ? json_null()
	                                                     : json_integer(p->guest_uid));
	/* The guest's words may be no UTF-8. */
	(void)json_object_set_new(o, "command", command ? command : json_null());
	return o;
}

int corral_sandbox_ps(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "PID",    "HOST-PID", "UID",    "STATE",
		                                "MEMORY", "TIME",     "COMMAND" };
	struct corral_record record = { .words = NULL };
	struct corral_inside *inside = NULL;
	struct corral_table table;
	json_t *list;
	size_t n = 0;
	int r = corral_sandboxes_find(&call->sandboxes, call->operands[0], &record, err);

	if (r == 0)
		r = corral_inside_list(record.init_pid, &inside, &n, err);
	corral_record_done(&record);
	if (r < 0)
		return r;
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		if (call->options.json)
			(void)json_array_append_new(list, ps_object(&inside[i]));
		else
			ps_row(&table, &inside[i]);
	}
	free(inside);
	return print(call, &table, list, err);
}
