/* corral session list, show and checkpoints. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/session/box.h"
#include "tools/session/commands.h"
#include "tools/summary.h"
#include "tools/table.h"

static const char *state_of(const struct corral_session_record *r)
{
	return r->fault ? "broken" : r->closed ? "closed" : r->running ? "running" : "hibernated";
}

static void ago(int64_t at_ms, char *buf, size_t size)
{
	corral_human_age((int64_t)time(NULL) * 1000 - at_ms, buf, size);
}

static json_t *record_object(const struct corral_session_record *r)
{
	const struct corral_runtime *rt = r->runtime;
	json_t *o =
	        json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:b, s:I, s:I, s:i}", "id", r->id,
	                  "state", state_of(r), "runtime", rt ? json_string(rt->name) : json_null(),
	                  "scope", rt ? json_string(corral_scope_name(rt->scope)) : json_null(),
	                  "isolation", corral_isolation_name(r->isolation), "reason", r->reason,
	                  "history", r->history, "created_ms", (json_int_t)r->created_ms,
	                  "active_ms", (json_int_t)r->active_ms, "layers", (int)r->n_layers);

	if (o && r->fault)
		(void)json_object_set_new(o, "error", corral_json_text(r->fault, strlen(r->fault)));
	if (o && rt)
		(void)json_object_set_new(o, "disk_backing",
		                          json_string(corral_disk_backing_name(rt->disk_backing)));
	if (o && r->tenant[0])
		(void)json_object_set_new(o, "tenant", json_string(r->tenant));
	return o;
}

static void list_row(struct corral_table *t, const struct corral_session_record *r)
{
	char created[32], active[32];

	ago(r->created_ms, created, sizeof(created));
	ago(r->active_ms, active, sizeof(active));
	corral_table_add(t, (const char *const[]) {
	                            r->id, state_of(r), r->runtime ? r->runtime->name : "-",
	                            corral_isolation_name(r->isolation), created, active });
}

/* One line for each that is there and cannot be used. */
static void faults_say(const struct corral_call *call, const struct corral_session_record *records,
                       size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (records[i].fault)
			corral_say("%s: corral session rm%s %s removes it", records[i].fault,
			           call->at, records[i].id);
}

static int table_print(struct corral_table *t, struct corral_error *err)
{
	int r = corral_table_print(t, stdout);

	corral_table_done(t);
	return r < 0 ? corral_error_sys(err, -r, "print") : 0;
}

int corral_session_list(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "ID",        "STATE",   "RUNTIME",
		                                "ISOLATION", "CREATED", "ACTIVE" };
	struct corral_session_record *records = NULL;
	struct corral_table table;
	json_t *list;
	size_t n = 0;
	/* Without a store nobody made a session yet. */
	int r = call->store ? corral_session_store_list(call->store, &records, &n, err) : 0;

	if (r == 0 && call->store && !call->options.quiet)
		r = corral_session_boxes_mark(call, records, n, err);
	if (r < 0) {
		corral_session_records_free(records, n);
		return r;
	}
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		if (call->options.quiet)
			(void)puts(records[i].id);
		else if (call->options.json)
			(void)json_array_append_new(list, record_object(&records[i]));
		else
			list_row(&table, &records[i]);
	}
	if (!call->options.json && !call->options.quiet)
		faults_say(call, records, n);
	corral_session_records_free(records, n);
	if (call->options.json && !call->options.quiet)
		r = corral_json_print(json_incref(list), err);
	json_decref(list);
	if (!call->options.json && !call->options.quiet)
		return table_print(&table, err);
	corral_table_done(&table);
	return r;
}

struct use {
	uint64_t bytes, files;
	uint64_t disk_free_bytes; /* of a disk of its own */
};

/* What its layers hold on disk; those that it shares with others are counted too. */
static int usage(struct corral_call *call, const char *id, struct use *ret,
                 struct corral_error *err)
{
	struct corral_disk_usage disk = { 0 };
	struct corral_session_stack k;
	int r = corral_session_stack_open(call->store, id, &k, err);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	if (k.disk_fd && corral_disk_usage(k.disk_fd - 1, &disk) == 0)
		ret->disk_free_bytes = disk.free_bytes;
	for (size_t i = 0; i < k.stack.n && r == 0; i++) {
		uint64_t bytes = 0, files = 0;

		r = corral_layer_usage(k.stack.paths[i], &bytes, &files, err);
		ret->bytes += bytes;
		ret->files += files;
	}
	corral_session_stack_close(&k);
	return r;
}

static json_t *checkpoints_array(const struct corral_checkpoints *all)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->n; i++) {
		const struct corral_checkpoint *c = &all->items[i];
		json_t *o = json_pack("{s:o, s:I, s:o}", "name",
		                      c->name[0] ? json_string(c->name) : json_null(), "at_ms",
		                      (json_int_t)c->at_ms, "command",
		                      c->command ? json_integer(c->command) : json_null());

		(void)json_object_set_new(o, "text",
		                          c->text ? corral_json_text(c->text, strlen(c->text))
		                                  : json_null());
		(void)json_array_append_new(list, o);
	}
	return list;
}

static int show_json(const struct corral_session_record *session, const char *sandbox,
                     const struct use *use, const struct corral_checkpoints *all,
                     struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_t *o = record_object(session);
	int r = corral_runtime_write(session->runtime, &text, err);

	if (r < 0) {
		json_decref(o);
		return r;
	}
	(void)json_object_set_new(o, "description", json_loadb(text.data, text.len, 0, NULL));
	(void)json_object_set_new(o, "sandbox", sandbox ? json_string(sandbox) : json_null());
	(void)json_object_set_new(o, "bytes", json_integer((json_int_t)use->bytes));
	(void)json_object_set_new(o, "files", json_integer((json_int_t)use->files));
	if (session->runtime->disk_backing == CORRAL_DISK_IMAGE)
		(void)json_object_set_new(o, "disk_free_bytes",
		                          json_integer((json_int_t)use->disk_free_bytes));
	(void)json_object_set_new(o, "checkpoints", checkpoints_array(all));
	return corral_json_print(o, err);
}

static void show_line(const char *key, const char *value)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "%s", value);
	corral_text_clean(text);
	(void)printf("%-12s %s\n", key, text);
}

/* The host has as much of it as was written. */
static void show_disk(const struct corral_session_record *s, const struct use *use)
{
	char free_bytes[32], all[32], text[128];

	if (s->runtime->disk_backing != CORRAL_DISK_IMAGE)
		return;
	corral_human_bytes(use->disk_free_bytes, free_bytes, sizeof(free_bytes));
	corral_human_bytes(s->runtime->sandbox->limits.disk_bytes, all, sizeof(all));
	(void)snprintf(text, sizeof(text), "an image file of its own, %s of %s free", free_bytes,
	               all);
	show_line("disk", text);
}

static void show_text(const struct corral_session_record *s, const char *sandbox,
                      const struct use *use, const struct corral_checkpoints *all)
{
	corral_autofree char *limits = NULL;
	char age[32], size[32], text[128];
	unsigned int named = 0, commands = 0;

	for (size_t i = 0; i < all->n; i++) {
		named += !all->items[i].command;
		commands += all->items[i].command != 0;
	}
	show_line("id", s->id);
	(void)snprintf(text, sizeof(text), "%s%s%s", state_of(s), sandbox ? ", sandbox " : "",
	               sandbox ? sandbox : "");
	show_line("state", text);
	(void)snprintf(text, sizeof(text), "%s (%s)", s->runtime->name,
	               s->runtime->scope == CORRAL_SCOPE_CALL ? "a fresh sandbox for each command"
	                                                      : "one sandbox for all commands");
	show_line("runtime", text);
	show_line("isolation", corral_isolation_name(s->isolation));
	show_line("reason", s->reason);
	if (s->tenant[0])
		show_line("tenant", s->tenant);
	show_line("work dir", s->runtime->work_dir);
	limits = corral_session_limits_line(s->runtime);
	show_line("limits", limits ? limits : "-");
	show_line("network", corral_network_name(s->runtime->sandbox->network));
	for (size_t i = 0; i < s->runtime->sandbox->n_allow; i++)
		show_line(i ? "" : "allow", s->runtime->sandbox->allow[i]);
	ago(s->created_ms, age, sizeof(age));
	(void)snprintf(text, sizeof(text), "%s ago", age);
	show_line("created", text);
	ago(s->active_ms, age, sizeof(age));
	(void)snprintf(text, sizeof(text), "%s ago", age);
	show_line("active", text);
	show_disk(s, use);
	corral_human_bytes(use->bytes, size, sizeof(size));
	(void)snprintf(text, sizeof(text), "%s in %" PRIu64 " files, %u layer%s", size, use->files,
	               s->n_layers, s->n_layers == 1 ? "" : "s");
	show_line("changes", text);
	(void)snprintf(text, sizeof(text), "%u", named);
	show_line("checkpoints", text);
	(void)snprintf(text, sizeof(text), "%u", commands);
	show_line("history", s->history ? text : "none kept");
}

int corral_session_show(struct corral_call *call, struct corral_error *err)
{
	const char *id = call->operands[0];
	struct corral_record record = { .words = NULL };
	struct corral_session_record session;
	struct corral_checkpoints all = { .n = 0 };
	struct use use = { 0 };
	int r = corral_session_find(call, id, &session, err), found;

	if (r < 0)
		return r;
	found = corral_session_box_find(call, id, &record, NULL);
	r = corral_session_boxes_mark(call, &session, 1, err);
	if (r == 0)
		r = usage(call, id, &use, err);
	if (r == 0)
		r = corral_session_checkpoints(call->store, id, &all, err);
	if (r == 0 && call->options.json)
		r = show_json(&session, found > 0 ? record.id : NULL, &use, &all, err);
	else if (r == 0)
		show_text(&session, found > 0 ? record.id : NULL, &use, &all);
	corral_checkpoints_done(&all);
	corral_record_done(&record);
	corral_session_record_done(&session);
	return r;
}

int corral_session_checkpoints_list(struct corral_call *call, struct corral_error *err)
{
	static const char *const headings[] = { "NAME", "AGE", "BEFORE", "COMMAND" };
	struct corral_session_record session;
	struct corral_checkpoints all = { .n = 0 };
	struct corral_table table;
	char age[32], before[32];
	int r = corral_session_find_layered(call, call->operands[0], "checkpoints", &session, err);

	if (r < 0)
		return r;
	corral_session_record_done(&session);
	r = corral_session_checkpoints(call->store, call->operands[0], &all, err);
	if (r < 0)
		return r;
	corral_table_init(&table, headings, CORRAL_COUNT(headings));
	for (size_t i = 0; i < all.n; i++) {
		const struct corral_checkpoint *c = &all.items[i];

		ago(c->at_ms, age, sizeof(age));
		(void)snprintf(before, sizeof(before), "%u", c->command);
		corral_table_add(&table, (const char *const[]) { c->name[0] ? c->name : "-", age,
		                                                 c->command ? before : "-",
		                                                 c->text ? c->text : "-" });
	}
	if (call->options.json) {
		corral_table_done(&table);
		r = corral_json_print(checkpoints_array(&all), err);
	} else {
		r = table_print(&table, err);
	}
	corral_checkpoints_done(&all);
	return r;
}
