#include "tools/receipt_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/config.h"
#include "policy/seccomp.h"
#include "tools/write_all.h"

/* "Not known here" is null, which no program can mistake for a number. */
static json_t *known(uint64_t value)
{
	return value == UINT64_MAX ? json_null() : json_integer((json_int_t)value);
}

static json_t *layers_list(uint32_t layers)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < CORRAL_LAYER_COUNT; i++)
		if (layers & (1u << i))
			(void)json_array_append_new(list, json_string(corral_layer_name(
			                                          (enum corral_layer)(1u << i))));
	return list;
}

static json_t *limits_list(uint32_t limits)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++)
		if (limits & (1u << i))
			(void)json_array_append_new(list, json_string(corral_limit_name(
			                                          (enum corral_limit)(1u << i))));
	return list;
}

static json_t *stages_object(const struct corral_receipt *r)
{
	json_t *stages = json_object();

	for (unsigned int i = 0; i < CORRAL_STAGE_COUNT; i++)
		(void)json_object_set_new(stages, corral_stage_name((enum corral_stage)i),
		                          known(r->stage_usec[i]));
	return stages;
}

static void refusals_add(const struct corral_ledger *l, json_t *list)
{
	char text[CORRAL_REFUSAL_TEXT_SIZE], remedy[CORRAL_REFUSAL_TEXT_SIZE];

	for (uint32_t i = 0; i < l->n_refusals && i < CORRAL_REFUSALS_MAX; i++) {
		const struct corral_refusal *d = &l->refusals[i];

		(void)json_array_append_new(list,
		                            json_pack("{s:s, s:I, s:s, s:s*, s:s?}", "destination",
		                                      corral_refusal_text(l, d, text), "count",
		                                      (json_int_t)d->count, "rule",
		                                      CORRAL_REFUSAL_RULE, "why",
		                                      corral_refusal_why(d), "remedy",
		                                      corral_refusal_remedy(l, d, remedy)));
	}
}

static json_t *contacts_list(const struct corral_ledger *l)
{
	char address[CORRAL_ADDRESS_TEXT_SIZE], protocol[8];
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->n_contacts && i < CORRAL_CONTACTS_MAX; i++) {
		const struct corral_contact *c = &l->contacts[i];
		const char *name = corral_ledger_name(l, c->name);

		(void)json_array_append_new(list,
		                            json_pack("{s:s?, s:s, s:i, s:s, s:I, s:I, s:I}",
		                                      "name", *name ? name : NULL, "address",
		                                      corral_address_text(&c->address, address),
		                                      "port", (int)c->port, "protocol",
		                                      corral_protocol_name(c->protocol, protocol),
		                                      "connections", (json_int_t)c->connections,
		                                      "sent_bytes", (json_int_t)c->sent_bytes,
		                                      "received_bytes",
		                                      (json_int_t)c->received_bytes));
	}
	return list;
}

static json_t *denials_list(const struct corral_receipt *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->n_denials && i < CORRAL_DENIALS_MAX; i++) {
		const struct corral_denial *d = &r->denials[i];
		struct corral_denial_text text = { .rule = NULL };
		const char *name = strerrorname_np((int)d->error);

		corral_seccomp_explain(&d->call, &text);
		(void)json_array_append_new(list,
		                            json_pack("{s:s, s:i, s:s?, s:I, s:s?, s:s?}", "call",
		                                      text.call, "number", d->call.nr, "error",
		                                      name, "count", (json_int_t)d->count, "rule",
		                                      text.rule, "remedy", text.remedy));
	}
	if (r->ledger)
		refusals_add(r->ledger, list);
	return list;
}

static void put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

/* A container's is the engine's. */
static void put_network(json_t *o, const struct corral_receipt *r)
{
	if (r->tier != CORRAL_TIER_FULL && r->tier != CORRAL_TIER_CONFINED)
		return;
	put(o, "network", json_string(corral_network_name((enum corral_network_mode)r->network)));
	if (r->address[0])
		put(o, "address", json_string(r->address));
}

static void receipt_fill(json_t *o, const struct corral_receipt *r)
{
	const char *signal_name = r->signal ? sigabbrev_np(r->signal) : NULL;
	const char *exec_error = r->exec_error ? strerrorname_np(r->exec_error) : NULL;

	put(o, "reason", json_string(corral_reason_name(r->reason)));
	/* exec_error first: a command that never ran has no status of its own. */
	put(o, "exec_error", exec_error ? json_string(exec_error) : json_null());
	put(o, "exit_code",
	    r->signal || r->exec_error || r->exit_code < 0 ? json_null()
	                                                   : json_integer(r->exit_code));
	put(o, "signal", r->signal ? json_integer(r->signal) : json_null());
	put(o, "signal_name", signal_name ? json_sprintf("SIG%s", signal_name) : json_null());
	put(o, "tier", json_string(corral_tier_name(r->tier)));
	put(o, "layers", layers_list(r->layers));
	put_network(o, r);
	put(o, "limits_enforced", limits_list(r->limits_enforced));
	put(o, "limits_lost", limits_list(r->limits_lost));
	put(o, "wall_usec", known(r->wall_usec));
	put(o, "user_usec", known(r->user_usec));
	put(o, "system_usec", known(r->system_usec));
	put(o, "memory_peak_bytes", known(r->memory_peak_bytes));
	put(o, "pids_peak", known(r->pids_peak));
	put(o, "written_bytes", known(r->written_bytes));
	put(o, "output_bytes", known(r->output_bytes));
	put(o, "oom_kills", known(r->oom_kills));
	put(o, "pids_refused", known(r->pids_refused));
	put(o, "throttled_usec", known(r->throttled_usec));
	put(o, "stages_usec", stages_object(r));
	put(o, "denials", denials_list(r));
	put(o, "denials_dropped",
	    known(r->denials_dropped + (r->ledger ? r->ledger->refusals_dropped : 0)));
	if (!r->ledger)
		return;
	put(o, "contacts", contacts_list(r->ledger));
	put(o, "contacts_dropped", known(r->ledger->contacts_dropped));
}

json_t *corral_receipt_json(const struct corral_receipt *r, int exit_status,
                            const struct corral_error *failure)
{
	json_t *o = json_object();

	put(o, "exit_status", json_integer(exit_status));
	put(o, "error", failure ? json_string(failure->text) : json_null());
	/* Text that is no UTF-8 (a path may be anything) makes no JSON string: still say so. */
	if (failure && !json_is_string(json_object_get(o, "error")))
		put(o, "error", json_string("failed; the text is not UTF-8, see standard error"));
	if (r)
		receipt_fill(o, r);
	else
		put(o, "reason", json_string("error"));
	return o;
}

int corral_receipt_json_print(int fd, const json_t *receipt, struct corral_error *err)
{
	corral_autofree char *text = json_dumps(receipt, JSON_COMPACT);
	size_t len;
	int n;

	if (!text)
		return corral_error_sys(err, ENOMEM, "receipt");
	/* The newline takes the place of the NUL: one write, one line. */
	len = strlen(text);
	text[len] = '\n';
	n = corral_write_all(fd, text, len + 1);
	return n < 0 ? corral_error_sys(err, -n, "write the receipt to descriptor %d", fd) : 0;
}

int corral_receipt_json_write(int fd, const struct corral_receipt *r, int exit_status,
                              const struct corral_error *failure, struct corral_error *err)
{
	json_auto_t *o = corral_receipt_json(r, exit_status, failure);

	return corral_receipt_json_print(fd, o, err);
}
