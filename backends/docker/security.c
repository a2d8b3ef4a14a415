#include "backends/docker/security.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/seccomp_builtin.h"
#include "policy/seccomp_oci.h"

/* Our own profile without the entries for special capabilities: nearly every container's. Converted
 * once for the process, and kept. */
static struct {
	pthread_once_t once;
	struct corral_buf text;
	int code; /* 0 or -errno */
	struct corral_error err;
} builtin = { .once = PTHREAD_ONCE_INIT };

static int convert_builtin(uint64_t caps, struct corral_buf *ret, struct corral_error *err)
{
	return corral_seccomp_to_oci(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len,
	                             caps, ret, err);
}

static void builtin_fill(void)
{
	builtin.code = convert_builtin(0, &builtin.text, &builtin.err);
}

static int profile_text(struct corral_buf *b, const char *profile, uint64_t caps,
                        struct corral_error *err)
{
	if (profile && !strcmp(profile, "unconfined")) {
		corral_buf_str(b, profile);
		return 0;
	}
	if (profile)
		return corral_seccomp_to_oci(profile, strlen(profile), caps, b, err);
	if (caps & corral_seccomp_builtin_caps)
		return convert_builtin(caps, b, err);
	(void)pthread_once(&builtin.once, builtin_fill);
	corral_buf_add(b, builtin.text.data, builtin.text.len);
	return builtin.code < 0 ? corral_error_set(err, -builtin.code, "%s", builtin.err.text) : 0;
}

int corral_docker_security_put(json_t *host, const char *profile, uint64_t caps,
                               struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	bool engines = profile && !strcmp(profile, "engine");
	json_t *list;
	int r;

	corral_buf_str(&b, "seccomp=");
	r = engines ? 0 : profile_text(&b, profile, caps, err);
	if (r < 0)
		return corral_error_wrap(err, r, "seccomp");
	list = json_pack("[s]", "no-new-privileges");
	if (b.failed ||
	    (!engines && json_array_append_new(list, json_stringn(b.data, b.len)) < 0)) {
		json_decref(list);
		return corral_error_set(err, ENOMEM, "container: out of memory");
	}
	if (json_object_set_new(host, "SecurityOpt", list) < 0)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	return 0;
}
