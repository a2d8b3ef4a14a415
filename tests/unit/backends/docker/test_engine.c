/* Where an engine is looked for, what is said when there is none, and the API that is agreed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backends/docker/endpoint.h"
#include "backends/docker/engine_state.h"
#include "backends/docker/http.h"
#include "backends/docker/version.h"
#include "kernel/base/clock.h"
#include "kernel/base/said.h"
#include "tests/unit/backends/docker/fake.h"

struct fixture {
	struct fake fake;
	char dir[64];                       /* a made-up HOME, and more */
	char docker[96], podman[96];        /* places of a made-up system; nothing is there */
	struct corral_docker_places places; /* those */
	struct corral_docker_engine_options o;
	struct corral_docker_engine *e;
	struct corral_docker_endpoints at;
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	fake_start(&f->fake);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-home-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->docker, sizeof(f->docker), "%s/docker.sock", f->dir);
	(void)snprintf(f->podman, sizeof(f->podman), "%s/podman.sock", f->dir);
	f->places = (struct corral_docker_places) { f->docker, f->podman };
	f->o.home = f->dir;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_docker_engine_close(f->e);
	corral_docker_endpoints_done(&f->at);
	fake_stop(&f->fake);
	(void)nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* A file below the made-up HOME, and the directories on its way. */
static void put_file(const struct fixture *f, const char *name, const char *text)
{
	char path[400];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	for (char *at = strchr(path + strlen(f->dir) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int find(struct fixture *f)
{
	corral_docker_endpoints_done(&f->at);
	memset(&f->err, 0, sizeof(f->err));
	return corral_docker_endpoints_find(&f->o, &f->places, &f->at, &f->err);
}

static int open_engine(struct fixture *f)
{
	corral_docker_engine_close(f->e);
	f->e = NULL;
	memset(&f->err, 0, sizeof(f->err));
	return docker_engine_open_at(&f->o, &f->places, &f->e, &f->err);
}

static void assert_says(const struct fixture *f, const char *part)
{
	if (!strstr(f->err.text, part))
		fail_msg("'%s' does not say '%s'", f->err.text, part);
}

/* SHA-256 of "work". */
#define WORK "00e13ed7af55b27622f1d6eab5bec0147e68efe28dc2b12461117afa1a5ed40e"

static void docker_host_is_parsed(void **state)
{
	static const struct {
		const char *host, *socket, *url;
		bool tls;
	} rows[] = {
		{ "unix:///var/run/docker.sock", "/var/run/docker.sock", "http://localhost",
		  false },
		{ "tcp://127.0.0.1:2375", NULL, "http://127.0.0.1:2375", false },
		{ "tcp://engine.example", NULL, "http://engine.example:2375", false },
		{ "tcp://engine.example", NULL, "https://engine.example:2376", true },
		{ "tcp://[::1]:99", NULL, "http://[::1]:99", false },
		{ "tcp://h:1/below/here/", NULL, "http://h:1/below/here", false },
		{ "http://h", NULL, "http://h:80", true },
		{ "https://h", NULL, "https://h:443", false },
		{ "https://h:2376/", NULL, "https://h:2376", false },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_auto(corral_docker_endpoint_done) struct corral_docker_endpoint p = { 0 };

		assert_int_equal(corral_docker_endpoint_parse(rows[i].host, rows[i].tls, &p, NULL),
		                 0);
		assert_string_equal(p.text, rows[i].host);
		assert_string_equal(p.base_url, rows[i].url);
		assert_int_equal(p.tls, strncmp(rows[i].url, "https", 5) == 0);
		assert_string_equal(p.socket ? p.socket : "", rows[i].socket ? rows[i].socket : "");
	}
}

static void docker_host_that_cannot_be_used_says_what_to_do(void **state)
{
	static const struct {
		const char *host, *says;
		int code;
	} rows[] = {
		{ "ssh://me@host", "forward the socket (ssh -nNT -L", EPROTONOSUPPORT },
		{ "npipe:////./pipe/docker_engine", "use unix:// or tcp://", EPROTONOSUPPORT },
		{ "/var/run/docker.sock", "unix:///PATH or tcp://HOST:PORT", EINVAL },
		{ "localhost:2375", "unix:///PATH or tcp://HOST:PORT", EINVAL },
		{ "fd://", "unix:///PATH or tcp://HOST:PORT", EINVAL },
		{ "unix://", "a socket's path is absolute", EINVAL },
		{ "unix://run/docker.sock", "a socket's path is absolute", EINVAL },
		{ "tcp://", "tcp://HOST:PORT", EINVAL },
		{ "tcp://:2375", "tcp://HOST:PORT", EINVAL },
		{ "tcp://h:99999", "tcp://HOST:PORT", EINVAL },
		{ "tcp://user:secret@h", "tcp://HOST:PORT", EINVAL },
		{ "tcp://h?x=1", "tcp://HOST:PORT", EINVAL },
		{ "tcp://h#x", "tcp://HOST:PORT", EINVAL },
		{ "tcp://h\r\nX: y", "'tcp://h??X: y' is no address", EINVAL },
	};
	struct corral_docker_endpoint p = { 0 };
	struct corral_error err;
	char path[200] = "unix:///";

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		assert_int_equal(corral_docker_endpoint_parse(rows[i].host, false, &p, &err),
		                 -rows[i].code);
		if (!strstr(err.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
		assert_null(p.text);
	}
	memset(path + 8, 'x', 107);
	assert_int_equal(corral_docker_endpoint_parse(path, false, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "longer than a socket's path may be, 107"));
	path[strlen(path) - 1] = '\0';
	assert_int_equal(corral_docker_endpoint_parse(path, false, &p, &err), 0);
	corral_docker_endpoint_done(&p);
}

static void sockets_are_looked_for_in_the_documented_order(void **state)
{
	struct fixture *f = *state;
	char want[200];

	f->o.runtime_dir = "/run/user/1000";
	assert_int_equal(find(f), 0);
	assert_false(f->at.chosen);
	assert_int_equal(f->at.n, 5);
	assert_string_equal(f->at.at[0].socket, f->docker);
	assert_string_equal(f->at.at[0].found_by, "default socket");
	assert_string_equal(f->at.at[1].text, "unix:///run/user/1000/docker.sock");
	assert_string_equal(f->at.at[1].found_by, "rootless socket");
	(void)snprintf(want, sizeof(want), "%s/.docker/run/docker.sock", f->dir);
	assert_string_equal(f->at.at[2].socket, want);
	assert_string_equal(f->at.at[3].socket, "/run/user/1000/podman/podman.sock");
	assert_string_equal(f->at.at[3].found_by, "Podman's socket");
	assert_string_equal(f->at.at[4].socket, f->podman);
	f->o.runtime_dir = NULL;
	f->o.home = NULL;
	assert_int_equal(find(f), 0);
	assert_int_equal(f->at.n, 2);
	assert_string_equal(corral_docker_system_places.docker, "/var/run/docker.sock");
	assert_string_equal(corral_docker_system_places.podman, "/run/podman/podman.sock");
}

static void host_comes_before_context_and_context_before_the_current_one(void **state)
{
	struct fixture *f = *state;

	put_file(f, ".docker/config.json", "{\"currentContext\":\"work\"}");
	put_file(f, ".docker/contexts/meta/" WORK "/meta.json",
	         "{\"Name\":\"work\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///w.sock\"}}}");
	assert_int_equal(find(f), 0);
	assert_true(f->at.chosen);
	assert_int_equal(f->at.n, 1);
	assert_string_equal(f->at.at[0].text, "unix:///w.sock");
	assert_string_equal(f->at.at[0].found_by, "context 'work'");
	f->o.context = "default";
	assert_int_equal(find(f), 0);
	assert_false(f->at.chosen);
	f->o.context = "other";
	assert_int_equal(find(f), -ENOENT);
	assert_says(f, "Docker's context 'other': there is none of that name in '/tmp/");
	f->o.host = "tcp://h:1";
	assert_int_equal(find(f), 0);
	assert_string_equal(f->at.at[0].text, "tcp://h:1");
	assert_string_equal(f->at.at[0].found_by, "DOCKER_HOST");
	/* Set and empty is not set. */
	f->o.host = f->o.context = "";
	assert_int_equal(find(f), 0);
	assert_string_equal(f->at.at[0].text, "unix:///w.sock");
	/* DOCKER_CONFIG is another directory. */
	f->o.config_dir = "/nowhere";
	assert_int_equal(find(f), 0);
	assert_false(f->at.chosen);
	f->o.config_dir = f->o.home = NULL;
	f->o.context = "work";
	assert_int_equal(find(f), -EINVAL);
	assert_says(f, "neither HOME nor DOCKER_CONFIG");
}

static void context_has_its_certificates_beside_it(void **state)
{
	struct fixture *f = *state;
	char want[300];

	put_file(f, ".docker/contexts/meta/" WORK "/meta.json",
	         "{\"Name\":\"work\",\"Endpoints\":{\"docker\":{\"Host\":\"tcp://h:2376\","
	         "\"SkipTLSVerify\":false}}}");
	put_file(f, ".docker/contexts/tls/" WORK "/docker/ca.pem", "");
	put_file(f, ".docker/contexts/tls/" WORK "/docker/cert.pem", "");
	f->o.context = "work";
	assert_int_equal(find(f), -EINVAL);
	assert_says(f, "has cert.pem without key.pem");
	put_file(f, ".docker/contexts/tls/" WORK "/docker/key.pem", "");
	assert_int_equal(find(f), 0);
	assert_string_equal(f->at.at[0].base_url, "https://h:2376");
	assert_false(f->at.at[0].skip_verify);
	(void)snprintf(want, sizeof(want), "%s/.docker/contexts/tls/" WORK "/docker/key.pem",
	               f->dir);
	assert_string_equal(f->at.at[0].key, want);
	put_file(f, ".docker/contexts/meta/" WORK "/meta.json",
	         "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://h:2376\",\"SkipTLSVerify\":true}}}");
	assert_int_equal(find(f), 0);
	assert_true(f->at.at[0].skip_verify);
}

static void broken_configuration_is_named(void **state)
{
	struct fixture *f = *state;

	put_file(f, ".docker/config.json", "{");
	assert_int_equal(find(f), -EINVAL);
	assert_says(f, "/.docker/config.json' is not a JSON object");
	put_file(f, ".docker/config.json", "{\"currentContext\":7}");
	assert_int_equal(find(f), 0);
	put_file(f, ".docker/config.json", "{\"currentContext\":\"work\"}");
	put_file(f, ".docker/contexts/meta/" WORK "/meta.json", "[]");
	assert_int_equal(find(f), -EINVAL);
	put_file(f, ".docker/contexts/meta/" WORK "/meta.json", "{\"Endpoints\":{}}");
	assert_int_equal(find(f), -EINVAL);
	assert_says(f, "Docker's context 'work': it names no Docker engine");
}

static void certificates_of_the_environment_mean_tls(void **state)
{
	struct fixture *f = *state;
	char dir[100];

	(void)snprintf(dir, sizeof(dir), "%s/certs", f->dir);
	f->o.host = "tcp://h";
	f->o.cert_path = dir;
	assert_int_equal(find(f), -EINVAL);
	assert_says(f, "/certs' has no ca.pem to know the engine by");
	put_file(f, "certs/ca.pem", "");
	assert_int_equal(find(f), 0);
	assert_string_equal(f->at.at[0].base_url, "https://h:2376");
	assert_non_null(f->at.at[0].ca);
	assert_null(f->at.at[0].cert);
	assert_false(f->at.at[0].skip_verify);
	/* Without a path, those of the configuration. */
	put_file(f, ".docker/cert.pem", "");
	put_file(f, ".docker/key.pem", "");
	f->o.cert_path = NULL;
	f->o.tls_verify = true;
	assert_int_equal(find(f), 0);
	assert_true(f->at.at[0].tls);
	assert_null(f->at.at[0].ca);
	assert_non_null(f->at.at[0].key);
	f->o.tls_verify = false;
	assert_int_equal(find(f), 0);
	assert_false(f->at.at[0].tls);
	/* A socket has none. */
	f->o.host = "unix:///x";
	f->o.tls_verify = true;
	assert_int_equal(find(f), 0);
	assert_false(f->at.at[0].tls);
}

static void every_place_is_named_when_nothing_is_found(void **state)
{
	struct fixture *f = *state;
	char runtime[100];

	(void)snprintf(runtime, sizeof(runtime), "%s/run", f->dir);
	f->o.runtime_dir = runtime;
	assert_int_equal(open_engine(f), -ENOENT);
	assert_int_equal(f->err.code, ENOENT);
	assert_says(f, "no container engine: there is no socket at unix:///tmp/corral-home-");
	assert_says(f, "/docker.sock, unix://");
	assert_says(f, "/run/docker.sock, unix://");
	assert_says(f, "/.docker/run/docker.sock, unix://");
	assert_says(f, "/run/podman/podman.sock, unix://");
	assert_says(f,
	            "/podman.sock; start Docker or Podman, or say where one is with DOCKER_HOST");
}

static void whichever_answers_is_taken(void **state)
{
	struct fixture *f = *state;
	char runtime[100], rootless[200];
	const struct corral_docker_engine_info *info;

	put_file(f, "docker.sock", "none");
	put_file(f, "run/podman/x", "");
	(void)snprintf(runtime, sizeof(runtime), "%s/run", f->dir);
	(void)snprintf(rootless, sizeof(rootless), "%s/podman/podman.sock", runtime);
	assert_int_equal(symlink(f->fake.socket, rootless), 0);
	f->o.runtime_dir = runtime;
	fake_json(&f->fake, "GET", "/version", 200,
	          "{\"Version\":\"4.3.1\\n\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.24\","
	          "\"Os\":\"linux\",\"Arch\":\"arm64\",\"Components\":[{\"Name\":\"Podman "
	          "Engine\"}]}");
	assert_int_equal(open_engine(f), 0);
	info = corral_docker_engine_info(f->e);
	assert_string_equal(info->endpoint + strlen("unix://"), rootless);
	assert_string_equal(info->found_by, "Podman's socket");
	assert_string_equal(info->server_version, "4.3.1");
	assert_string_equal(info->api_version, "1.41");
	assert_string_equal(info->os, "linux");
	assert_string_equal(info->arch, "arm64");
	assert_true(info->is_podman);
	/* None of them does: the first that is there says why. */
	assert_int_equal(unlink(rootless), 0);
	assert_int_equal(open_engine(f), -ENOTSOCK);
	assert_says(f, "no container engine answers: unix:///tmp/");
	assert_says(f, "/docker.sock is no socket: name the one that the engine listens on "
	               "(also looked at unix:///");
}

static void chosen_engine_that_is_missing_or_dead_says_so(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	corral_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char host[120];

	(void)snprintf(host, sizeof(host), "unix://%s", f->docker);
	f->o.host = host;
	assert_int_equal(open_engine(f), -ENOENT);
	assert_says(f, "DOCKER_HOST: there is no unix:///tmp/");
	assert_says(f, "start the engine, or say where it is with DOCKER_HOST");
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->docker);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(open_engine(f), -ECONNREFUSED);
	assert_says(f, "DOCKER_HOST: nobody listens on unix:///tmp/");
	assert_says(f, "start the engine (systemctl start docker)");
	put_file(f, "file", "");
	(void)snprintf(host, sizeof(host), "unix://%s/file", f->dir);
	assert_int_equal(open_engine(f), -ENOTSOCK);
	assert_says(f, "/file is no socket");
}

/* What somebody who may not connect is told. Runs in a child, which is nobody in particular. */
static int told_to_nobody(struct fixture *f, const char *part)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 2;
	if (open_engine(f) != -EACCES)
		return 3;
	if (strstr(f->err.text, part))
		return 0;
	(void)fprintf(stderr, "'%s' does not say '%s'\n", f->err.text, part);
	return 4;
}

static void assert_nobody_is_told(struct fixture *f, const char *part)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(told_to_nobody(f, part));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void socket_that_is_closed_to_us_names_its_group(void **state)
{
	struct fixture *f = *state;

	f->o.host = f->fake.host;
	assert_int_equal(chmod(f->fake.dir, 0755), 0);
	if (geteuid() == 0) {
		/* "tty" is there on every Debian, and has no members. */
		assert_int_equal(chown(f->fake.socket, 0, 5), 0);
		assert_int_equal(chmod(f->fake.socket, 0660), 0);
		assert_nobody_is_told(f, "which belongs to group 'tty': add the user to it, or use "
		                         "a rootless engine");
		assert_int_equal(chown(f->fake.socket, 0, 54321), 0);
		assert_nobody_is_told(f, "which belongs to group 54321: add the user to it");
	}
	assert_int_equal(chmod(f->fake.socket, 0), 0);
	assert_nobody_is_told(f, "alone: use a rootless engine");
	assert_int_equal(chmod(f->fake.dir, 0), 0);
	assert_nobody_is_told(f, "in a directory that is closed to this user");
	assert_int_equal(chmod(f->fake.dir, 0700), 0);
}

static void versions_are_agreed_on(void **state)
{
	static const struct {
		const char *max, *min, *pinned, *want, *says;
		int code;
	} rows[] = {
		{ "1.41", "1.12", NULL, "1.41", NULL, 0 },
		{ "1.40", NULL, NULL, "1.40", NULL, 0 },
		{ "1.47", "1.24", NULL, "1.47", NULL, 0 },
		{ "1.52", "1.44", NULL, "1.47", NULL, 0 },
		{ "1.100", "1.24", NULL, "1.47", NULL, 0 },
		{ "2.0", "1.24", NULL, "1.47", NULL, 0 },
		{ "1.47", "1.24", "1.42", "1.42", NULL, 0 },
		{ "1.39", "1.12", NULL, NULL,
		  "its API is 1.39 and corral needs 1.40 or newer: update the engine",
		  EPROTONOSUPPORT },
		{ "1.9", "1.1", NULL, NULL, "its API is 1.9", EPROTONOSUPPORT },
		{ "1.60", "1.48", NULL, NULL, "no API below 1.48 and corral none above 1.47",
		  EPROTONOSUPPORT },
		{ "1.41", "1.12", "1.43", NULL,
		  "it speaks API 1.12 to 1.41, not DOCKER_API_VERSION", EPROTONOSUPPORT },
		{ "1.52", "1.44", "1.41", NULL, "it speaks API 1.44 to 1.52", EPROTONOSUPPORT },
		{ "1.41", "1.12", "1.39", NULL, "corral speaks 1.40 to 1.47", EINVAL },
		{ "1.41", "1.12", "1.48", NULL, "corral speaks 1.40 to 1.47", EINVAL },
		{ "1.41", "1.12", "new", NULL, "'new' is no version", EINVAL },
		{ "1.41", "1.12", "1.41x", NULL, "is no version", EINVAL },
		{ "new", "1.12", NULL, NULL, "says no version", EPROTO },
		{ "1.41", "", NULL, NULL, "says no version", EPROTO },
		{ "1.41/../..", NULL, NULL, NULL, "says no version", EPROTO },
		{ "1.99999", NULL, NULL, NULL, "says no version", EPROTO },
		{ ".41", NULL, NULL, NULL, "says no version", EPROTO },
		{ "1.", NULL, NULL, NULL, "says no version", EPROTO },
		{ "1", NULL, NULL, NULL, "says no version", EPROTO },
		{ NULL, NULL, NULL, NULL, "says no version", EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const struct docker_versions v = { rows[i].max, rows[i].min, rows[i].pinned };
		struct corral_error err = { 0 };
		char got[16] = "";

		assert_int_equal(docker_version_agree(&v, got, &err), -rows[i].code);
		assert_string_equal(got, rows[i].want ? rows[i].want : "");
		if (rows[i].says && !strstr(err.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
	}
}

static void agreed_version_stands_in_every_path(void **state)
{
	struct fixture *f = *state;

	f->o.host = f->fake.host;
	f->o.api_version = "1.40";
	fake_json(&f->fake, "GET", "/info", 200, "{}");
	assert_int_equal(open_engine(f), 0);
	assert_string_equal(corral_docker_engine_info(f->e)->api_version, "1.40");
	assert_false(corral_docker_engine_info(f->e)->is_podman);
	assert_string_equal(fake_last(&f->fake, "GET", "/version")->path, "/version");
	assert_int_equal(corral_docker_do(f->e, "GET", "/info", NULL, NULL, &f->err), 0);
	assert_string_equal(fake_last(&f->fake, "GET", "/info")->path, "/v1.40/info");
	assert_int_equal(fake_count(&f->fake, "GET", "/version"), 1);
}

static void engine_that_is_too_old_is_named_with_both_versions(void **state)
{
	struct fixture *f = *state;

	f->o.host = f->fake.host;
	fake_json(&f->fake, "GET", "/version", 200,
	          "{\"Version\":\"18.09.1\",\"ApiVersion\":\"1.39\",\"MinAPIVersion\":\"1.12\"}");
	assert_int_equal(open_engine(f), -EPROTONOSUPPORT);
	assert_says(f, "DOCKER_HOST: engine 18.09.1 on unix:///tmp/");
	assert_says(f, "its API is 1.39 and corral needs 1.40 or newer: update the engine");
}

static void what_is_no_engine_is_eproto(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{:",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"220 smtp.example ESMTP\r\n",
	};
	struct fixture *f = *state;

	f->o.host = f->fake.host;
	for (size_t i = 0; i < CORRAL_COUNT(answers); i++) {
		fake_raw(&f->fake, "GET", "/version", answers[i], FAKE_CLOSE);
		assert_int_equal(open_engine(f), -EPROTO);
		assert_int_equal(f->err.code, EPROTO);
	}
	fake_raw(
	        &f->fake, "GET", "/version",
	        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
	        FAKE_CLOSE);
	assert_int_equal(open_engine(f), -EPROTO);
	assert_says(f, "is no container engine: engine: Client sent an HTTP request to an HTTPS");
}

static void engine_that_hangs_costs_its_deadline_and_is_not_the_last_hope(void **state)
{
	struct fixture *f = *state;
	uint64_t started = corral_now_ms();
	struct fake second;

	fake_raw(&f->fake, "GET", "/version", "", FAKE_HANG);
	f->o.host = f->fake.host;
	f->o.call_timeout_ms = 300;
	assert_int_equal(open_engine(f), -ETIMEDOUT);
	assert_true(corral_now_ms() - started >= 300);
	fake_start(&second);
	f->o.host = NULL;
	f->places = (struct corral_docker_places) { f->fake.socket, second.socket };
	assert_int_equal(open_engine(f), 0);
	assert_string_equal(corral_docker_engine_info(f->e)->endpoint, second.host);
	corral_docker_engine_close(f->e);
	f->e = NULL;
	fake_stop(&second);
}

static void tcp_where_nobody_listens_is_econnrefused(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	corral_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	struct fixture *f = *state;
	char host[64];

	/* Bound, so that nobody else gets the port. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(host, sizeof(host), "tcp://127.0.0.1:%d", ntohs(at.sin_port));
	f->o.host = host;
	assert_int_equal(open_engine(f), -ECONNREFUSED);
	assert_says(f, "nobody listens on tcp://127.0.0.1:");
}

static void what_an_engine_says_is_one_line_of_bounded_length(void **state)
{
	char blanks[200];
	const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "  a \r\n\t b  ", "a b" },
		{ "\x1b[31mred\x7f", "?[31mred?" },
		{ "\xff\xc3\xa4", "\xef\xbf\xbd\xc3\xa4" },
		{ "a\xe2\x80\xae"
		  "b\xc2\x9b",
		  "a?b?" },
		{ "12345678901234567890", "12345678901234567890" },
		{ "123456789012345678901", "12345678901234567..." },
		{ "1234567890123456\xc3\xa4\xc3\xa4\xc3\xa4", "1234567890123456..." },
		{ blanks, "..." },
	};

	(void)state;
	memset(blanks, ' ', sizeof(blanks) - 1);
	blanks[sizeof(blanks) - 1] = '\0';
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

		corral_said(&b, rows[i].text, strlen(rows[i].text), 20);
		assert_string_equal(b.data ? b.data : "", rows[i].want);
	}
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_host_is_parsed),
		cmocka_unit_test(docker_host_that_cannot_be_used_says_what_to_do),
		ROW(sockets_are_looked_for_in_the_documented_order),
		ROW(host_comes_before_context_and_context_before_the_current_one),
		ROW(context_has_its_certificates_beside_it),
		ROW(broken_configuration_is_named),
		ROW(certificates_of_the_environment_mean_tls),
		ROW(every_place_is_named_when_nothing_is_found),
		ROW(whichever_answers_is_taken),
		ROW(chosen_engine_that_is_missing_or_dead_says_so),
		ROW(socket_that_is_closed_to_us_names_its_group),
		cmocka_unit_test(versions_are_agreed_on),
		ROW(agreed_version_stands_in_every_path),
		ROW(engine_that_is_too_old_is_named_with_both_versions),
		ROW(what_is_no_engine_is_eproto),
		ROW(engine_that_hangs_costs_its_deadline_and_is_not_the_last_hope),
		ROW(tcp_where_nobody_listens_is_econnrefused),
		cmocka_unit_test(what_an_engine_says_is_one_line_of_bounded_length),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
