/*
 * A container engine that speaks Docker's HTTP API: where it is, which version of the API is spoken
 * to it, and calls to it from many threads at once. Podman's compatible service is one as well.
 *
 * Theory of operation: nobody here has a thread of their own. Each call takes a connection that
 * stands open, or makes one, and gives it back at its end; no lock is held across a call. Every
 * call has a deadline, so an engine that hangs costs its callers their patience and nothing more.
 */
#ifndef CORRAL_BACKENDS_DOCKER_ENGINE_H
#define CORRAL_BACKENDS_DOCKER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The oldest version of the API that is spoken, and the newest. */
#define CORRAL_DOCKER_API_MIN "1.40"
#define CORRAL_DOCKER_API_MAX "1.47"

#define CORRAL_DOCKER_CONNECT_TIMEOUT_MS 5000
#define CORRAL_DOCKER_CALL_TIMEOUT_MS    60000

struct corral_docker_engine;

/*
 * Where the engine is looked for; whoever reads the environment fills it in. The first that is set
 * decides: host, context, the current context of the user's configuration; then the sockets of a
 * rootful engine, of a rootless one and of Podman, whichever answers. All may be NULL.
 */
struct corral_docker_engine_options {
	const char *host;        /* DOCKER_HOST: "unix://...", "tcp://...", "http(s)://..." */
	const char *context;     /* DOCKER_CONTEXT */
	const char *config_dir;  /* DOCKER_CONFIG; NULL: .docker in home */
	const char *cert_path;   /* DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem */
	bool tls_verify;         /* DOCKER_TLS_VERIFY is set and not empty */
	const char *home;        /* HOME */
	const char *runtime_dir; /* XDG_RUNTIME_DIR */
	const char *api_version; /* DOCKER_API_VERSION; NULL: negotiated */
	int64_t call_timeout_ms; /* 0: CORRAL_DOCKER_CALL_TIMEOUT_MS; of a call that moves no data
	                          */
};

struct corral_docker_engine_info {
	const char *endpoint; /* "unix:///var/run/docker.sock" */
	const char *found_by; /* "DOCKER_HOST", "context 'x'", "default socket", "rootless socket",
	                         "Podman's socket" */
	const char *api_version;    /* that is spoken: "1.41" */
	const char *server_version; /* "20.10.24+dfsg1" */
	const char *os, *arch;      /* "linux", "amd64" as the engine says it */
	bool is_podman;
};

/*
 * Finds the engine and speaks to it once. Errors say what was tried and what to do: -ENOENT no
 * socket anywhere; -EACCES permission denied (which socket, which group); -ECONNREFUSED nobody
 * listens; -ETIMEDOUT no answer; -EPROTONOSUPPORT too old (both versions named); -EPROTO what
 * answered is no engine; -EINVAL options that make no sense.
 */
int corral_docker_engine_open(const struct corral_docker_engine_options *o,
                              struct corral_docker_engine **ret, struct corral_error *err);
/* Nobody may be in a call. Takes NULL. */
void corral_docker_engine_close(struct corral_docker_engine *e);
/* Owned by the engine. */
const struct corral_docker_engine_info *corral_docker_engine_info(
        const struct corral_docker_engine *e);

/* What was found out about an engine and need not be asked again, until it turns out otherwise. */
enum corral_docker_known {
	CORRAL_DOCKER_KNOWS_VOLUME = 1u << 0, /* the volume of our program is filled: volume.h */
	CORRAL_DOCKER_KNOWS_SWEPT = 1u << 1,  /* what was never started has been removed: prune.h */
};
bool corral_docker_engine_knows(const struct corral_docker_engine *e,
                                enum corral_docker_known what);
void corral_docker_engine_learn(struct corral_docker_engine *e, enum corral_docker_known what,
                                bool is_so);

#ifdef __cplusplus
}
#endif

#endif
