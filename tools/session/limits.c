/*
 * What a session's sandboxes may use up and reach: said when it is made, kept with it (in its
 * runtime, as the registry has it), and not changed afterwards.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/session/commands.h"

/* Those that are about the session, and not about a command of it. */
static uint32_t limits_said(const struct corral_call *call)
{
	uint32_t of_command = CORRAL_LIMIT_TIMEOUT | CORRAL_LIMIT_OUTPUT;

	return call->command->option == CORRAL_OPTION_SESSION_CREATE
	               ? call->options.limits_said
	               : call->options.limits_said & ~of_command;
}

int corral_session_limits_put(const struct corral_call *call, struct corral_config *to,
                              struct corral_error *err)
{
	const struct corral_config *c = call->options.config;
	uint32_t said = limits_said(call);

	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++) {
		enum corral_limit limit = (enum corral_limit)(1u << i);

		if (said & limit)
			corral_limit_set(&to->limits, limit, corral_limit_get(&c->limits, limit));
	}
	to->limits_asked = (to->limits_asked & ~said) | (c->limits_asked & said);
	/* Another network than "allow" has no list: that of a runtime would say more than was asked
	 * for. */
	if (c->n_allow || (call->options.network_said && c->network != CORRAL_NETWORK_ALLOW))
		corral_config_clear_allow(to);
	if (call->options.network_said || c->n_allow) {
		to->network = c->network;
		to->network_pasta = c->network_pasta;
		to->network_said = true;
	}
	for (size_t i = 0; i < c->n_allow; i++) {
		int r = corral_config_add_allow(to, c->allow[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int differs(const struct corral_call *call, const struct corral_session_record *session,
                   const char *option, struct corral_error *err)
{
	return corral_error_set(err, EEXIST,
	                        "session %s was made with another --%s, and keeps it (corral "
	                        "session show%s %s): leave --%s out, or take another id",
	                        session->id, option, call->at, session->id, option);
}

/* As the command line writes it. */
static void option_of(enum corral_limit limit, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s", corral_limit_name(limit));
	for (char *at = buf; *at; at++)
		if (*at == '_')
			*at = '-';
}

int corral_session_limits_check(const struct corral_call *call,
                                const struct corral_session_record *session,
                                struct corral_error *err)
{
	const struct corral_config *has = session->runtime->sandbox, *c = call->options.config;
	uint32_t said = limits_said(call);
	char option[32];

	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++) {
		enum corral_limit limit = (enum corral_limit)(1u << i);

		option_of(limit, option, sizeof(option));
		if ((said & limit) &&
		    (corral_limit_get(&has->limits, limit) != corral_limit_get(&c->limits, limit) ||
		     ((has->limits_asked ^ c->limits_asked) & limit)))
			return differs(call, session, option, err);
	}
	if (call->options.backing_said &&
	    session->runtime->disk_backing != call->options.disk_backing)
		return differs(call, session, "disk-backing", err);
	if (call->options.network_said && has->network != c->network)
		return differs(call, session, "network", err);
	if (c->n_allow && c->n_allow != has->n_allow)
		return differs(call, session, "allow", err);
	for (size_t i = 0; i < c->n_allow; i++)
		if (strcmp(c->allow[i], has->allow[i]) != 0)
			return differs(call, session, "allow", err);
	return 0;
}

static bool is_of_bytes(enum corral_limit limit)
{
	return limit & (CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP | CORRAL_LIMIT_DISK |
	                CORRAL_LIMIT_FILE_SIZE | CORRAL_LIMIT_OUTPUT);
}

/* As options write them, so that the one can be made from the other. */
static void limit_add(struct corral_buf *line, const struct corral_limits *l,
                      enum corral_limit limit)
{
	uint64_t value = corral_limit_get(l, limit);
	const char *unit = "";
	char option[32];

	option_of(limit, option, sizeof(option));
	if (is_of_bytes(limit) && value) {
		static const char *const units[] = { "", "K", "M", "G", "T" };
		size_t i = 0;

		while (i + 1 < CORRAL_COUNT(units) && value % 1024 == 0) {
			value /= 1024;
			i++;
		}
		unit = units[i];
	}
	corral_buf_fmt(line, "%s%s ", line->len ? ", " : "", option);
	if (!value && limit != CORRAL_LIMIT_MEMORY_SWAP)
		corral_buf_str(line, "none");
	else if (limit == CORRAL_LIMIT_CPUS)
		corral_buf_fmt(line, "%g", (double)value / 1000);
	else if (limit == CORRAL_LIMIT_TIMEOUT)
		corral_buf_fmt(line, "%" PRIu64 "%s", value % 1000 ? value : value / 1000,
		               value % 1000 ? "ms" : "s");
	else
		corral_buf_fmt(line, "%" PRIu64 "%s", value, unit);
}

char *corral_session_limits_line(const struct corral_runtime *rt)
{
	const struct corral_config *c = rt->sandbox;
	corral_autobuf struct corral_buf line = CORRAL_BUF_INIT;

	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++) {
		enum corral_limit limit = (enum corral_limit)(1u << i);

		if ((c->limits_asked & limit) ||
		    corral_limit_get(&c->limits, limit) !=
		            corral_limit_get(&corral_limits_default, limit))
			limit_add(&line, &c->limits, limit);
	}
	if (!line.len)
		corral_buf_str(&line, "as usual");
	return line.failed ? NULL : corral_buf_take(&line);
}
