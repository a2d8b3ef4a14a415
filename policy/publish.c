#include "policy/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

#define PORT_MAX 65535u
#define FORM     "[127.0.0.1:]PORT:GUEST_PORT[/tcp|/udp] or unix:/PATH:GUEST_PORT"

static int port_parse(const char *text, const char *whose, uint16_t *ret, struct corral_error *err)
{
	uint64_t port = 0;

	if (corral_parse_u64(text, PORT_MAX, &port, NULL) < 0 || port == 0)
		return corral_error_set(err, EINVAL, "'%.32s' is no port of %s: 1 to %u", text,
		                        whose, PORT_MAX);
	*ret = (uint16_t)port;
	return 0;
}

/* Cuts text at its last colon; what follows it, or NULL. */
static char *last_colon_split(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static int form(const char *text, struct corral_error *err)
{
	return corral_error_set(err, EINVAL, "'%.150s' is not " FORM, text);
}

static int unix_parse(const char *text, char *path, struct corral_publish *ret,
                      struct corral_error *err)
{
	const char *port = last_colon_split(path);
	int r;

	if (!port)
		return form(text, err);
	if (strchr(port, '/'))
		return corral_error_set(err, EINVAL,
		                        "'%.32s': behind a socket is a port of TCP, and nothing "
		                        "follows its number",
		                        port);
	r = port_parse(port, "the sandbox", &ret->guest_port, err);
	if (r < 0)
		return r;
	if (path[0] != '/')
		return corral_error_set(err, EINVAL,
		                        "unix:%.100s: the path of a socket begins with '/'", path);
	if (strlen(path) > CORRAL_PUBLISH_PATH_MAX)
		return corral_error_set(err, EINVAL,
		                        "unix:%.64s...: the path of a socket has at most %d bytes",
		                        path, CORRAL_PUBLISH_PATH_MAX);
	ret->kind = CORRAL_PUBLISH_UNIX;
	ret->host_path = strdup(path);
	return ret->host_path ? 0 : corral_error_set(err, ENOMEM, "publish: out of memory");
}

static int protocol_parse(const char *text, char *spec, struct corral_publish *ret,
                          struct corral_error *err)
{
	char *slash = strchr(spec, '/');

	ret->kind = CORRAL_PUBLISH_TCP;
	if (!slash)
		return 0;
	*slash = '\0';
	if (!strcmp(slash + 1, "udp"))
		ret->kind = CORRAL_PUBLISH_UDP;
	else if (strcmp(slash + 1, "tcp") != 0)
		return form(text, err);
	return 0;
}

static int address_parse(char *text, struct corral_publish *ret, struct corral_error *err)
{
	struct in6_addr six;
	struct in_addr four;
	size_t len = strlen(text);

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		if (inet_pton(AF_INET6, text + 1, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six)) {
			ret->is_ipv6 = true;
			memcpy(ret->host_address, &six, sizeof(six));
			return 0;
		}
		text[len - 1] = ']';
	} else if (inet_pton(AF_INET, text, &four) == 1 && ntohl(four.s_addr) >> 24 == 127) {
		memcpy(ret->host_address, &four, sizeof(four));
		return 0;
	}
	return corral_error_set(err, EINVAL,
	                        "'%.64s' is no address of the host's loopback: a sandbox's port is "
	                        "published there alone (127.0.0.1 or [::1]), or as a Unix socket",
	                        text);
}

static int ports_parse(const char *text, char *spec, struct corral_publish *ret,
                       struct corral_error *err)
{
	char home[] = "127.0.0.1", *guest, *host;
	int r = protocol_parse(text, spec, ret, err);

	if (r < 0)
		return r;
	guest = last_colon_split(spec);
	if (!guest)
		return form(text, err);
	host = last_colon_split(spec);
	r = port_parse(guest, "the sandbox", &ret->guest_port, err);
	if (r == 0)
		r = port_parse(host ? host : spec, "the host", &ret->host_port, err);
	return r < 0 ? r : address_parse(host ? spec : home, ret, err);
}

int corral_publish_parse(const char *text, struct corral_publish *ret, struct corral_error *err)
{
	corral_autofree char *spec = strdup(text);
	struct corral_publish p = { 0 };
	int r;

	if (!spec)
		return corral_error_set(err, ENOMEM, "publish: out of memory");
	if (!strncmp(spec, "unix:", 5))
		r = unix_parse(text, spec + 5, &p, err);
	else
		r = ports_parse(text, spec, &p, err);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

void corral_publish_done(struct corral_publish *p)
{
	free(p->host_path);
	p->host_path = NULL;
}

int corral_publish_dup(const struct corral_publish *p, struct corral_publish *ret,
                       struct corral_error *err)
{
	struct corral_publish copy = *p;

	if (p->host_path) {
		copy.host_path = strdup(p->host_path);
		if (!copy.host_path)
			return corral_error_set(err, ENOMEM, "publish: out of memory");
	}
	*ret = copy;
	return 0;
}

void corral_publish_text(const struct corral_publish *p, char ret[CORRAL_PUBLISH_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN] = "";

	if (p->kind == CORRAL_PUBLISH_UNIX) {
		(void)snprintf(ret, CORRAL_PUBLISH_TEXT_SIZE, "unix:%s:%u", p->host_path,
		               p->guest_port);
		return;
	}
	(void)inet_ntop(p->is_ipv6 ? AF_INET6 : AF_INET, p->host_address, address, sizeof(address));
	(void)snprintf(ret, CORRAL_PUBLISH_TEXT_SIZE, p->is_ipv6 ? "[%s]:%u:%u%s" : "%s:%u:%u%s",
	               address, p->host_port, p->guest_port,
	               p->kind == CORRAL_PUBLISH_UDP ? "/udp" : "");
}

bool corral_publish_same_place(const struct corral_publish *a, const struct corral_publish *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == CORRAL_PUBLISH_UNIX)
		return !strcmp(a->host_path, b->host_path);
	return a->host_port == b->host_port && a->is_ipv6 == b->is_ipv6 &&
	       !memcmp(a->host_address, b->host_address, sizeof(a->host_address));
}
