#include "backends/docker/answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool docker_header_is(const char *line, size_t len, const char *name, const char **ret_value,
                      size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	for (n++; n < len && is_blank(line[n]); n++)
		;
	while (len > n && is_blank(line[len - 1]))
		len--;
	*ret_value = line + n;
	*ret_len = len - n;
	return true;
}

bool docker_type_is_json(const char *value, size_t len)
{
	static const char json[] = "application/json";
	size_t n = sizeof(json) - 1;

	return len >= n && strncasecmp(value, json, n) == 0 &&
	       (len == n || value[n] == ';' || is_blank(value[n]));
}

int docker_answer_parse(struct corral_docker_answer *a, struct corral_error *err)
{
	json_error_t where;
	size_t i = 0;

	while (i < a->body.len && is_blank(a->body.data[i]))
		i++;
	if (i == a->body.len)
		return 0;
	a->json = json_loadb(a->body.data, a->body.len, JSON_DECODE_ANY, &where);
	if (a->json)
		return 0;
	if (json_error_code(&where) == json_error_out_of_memory)
		return corral_error_set(err, ENOMEM, "no memory for the engine's answer");
	return corral_error_set(err, EPROTO, "the engine's answer is no JSON (line %d, column %d)",
	                        where.line, where.column);
}

void corral_docker_answer_done(struct corral_docker_answer *a)
{
	corral_buf_done(&a->body);
	corral_buf_done(&a->stat);
	json_decref(a->json);
	memset(a, 0, sizeof(*a));
}
