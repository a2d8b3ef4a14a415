/* Commands started in a container by the engine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/docker/container.h"
#include "backends/docker/json.h"

static json_t *exec_body(const struct corral_docker_exec *x)
{
	json_t *argv = corral_json_texts(x->argv), *env = corral_json_texts(x->env);
	json_t *body = argv && env ? json_pack("{s:O, s:O, s:b, s:b, s:b, s:b}", "Cmd", argv, "Env",
	                                       env, "AttachStdin", x->has_stdin, "AttachStdout", 1,
	                                       "AttachStderr", 1, "Tty", 0)
	                           : NULL;

	json_decref(argv);
	json_decref(env);
	if (body && x->guest_dir &&
	    json_object_set_new(body, "WorkingDir", json_string(x->guest_dir)) < 0) {
		json_decref(body);
		body = NULL;
	}
	return body;
}

int corral_docker_container_exec(struct corral_docker_engine *e, const char *id,
                                 const struct corral_docker_exec *x,
                                 struct corral_docker_stream **ret, char *ret_id,
                                 struct corral_error *err)
{
	corral_autojson json_t *body = exec_body(x), *answer = NULL, *go = NULL;
	const char *exec_id;
	char path[200];
	int r;

	if (!body)
		return corral_error_set(err, EINVAL,
		                        "exec: a text that is not UTF-8, or no memory for it");
	(void)snprintf(path, sizeof(path), "/containers/%s/exec", id);
	r = corral_docker_do(e, "POST", path, body, &answer, err);
	/* Not to be taken for a program that is not there. */
	if (r == -ENOENT)
		return corral_error_set(err, EPIPE, "exec: the container is gone");
	if (r < 0)
		return corral_error_wrap(err, r, "exec");
	exec_id = json_string_value(json_object_get(answer, "Id"));
	if (!exec_id || strlen(exec_id) >= CORRAL_DOCKER_ID_SIZE ||
	    exec_id[strspn(exec_id, "0123456789abcdef")])
		return corral_error_set(err, EPROTO, "exec: the engine's answer has no id");
	if (ret_id)
		(void)snprintf(ret_id, CORRAL_DOCKER_ID_SIZE, "%s", exec_id);
	(void)snprintf(path, sizeof(path), "/exec/%s/start", exec_id);
	go = json_pack("{s:b, s:b}", "Detach", 0, "Tty", 0);
	r = go ? corral_docker_stream_open(e, path, go, ret, err)
	       : corral_error_set(err, ENOMEM, "exec: out of memory");
	return r < 0 ? corral_error_wrap(err, r, "exec") : 0;
}

int corral_docker_exec_code(struct corral_docker_engine *e, const char *exec_id, int *ret_code,
                            struct corral_error *err)
{
	corral_autojson json_t *answer = NULL;
	const json_t *code;
	char path[200];
	int r;

	(void)snprintf(path, sizeof(path), "/exec/%s/json", exec_id);
	r = corral_docker_do(e, "GET", path, NULL, &answer, err);
	if (r < 0)
		return corral_error_wrap(err, r, "exec");
	if (json_is_true(json_object_get(answer, "Running")))
		return -EAGAIN;
	code = json_object_get(answer, "ExitCode");
	if (!json_is_integer(code))
		return corral_error_set(err, EPROTO, "exec: the engine knows no exit code");
	*ret_code = (int)json_integer_value(code);
	return 0;
}
