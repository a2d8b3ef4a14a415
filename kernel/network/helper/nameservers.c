#include "kernel/network/helper/nameservers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define FILE_MAX    (64u << 10)
#define DNS_PORT    53

void corral_net_nameservers_add(struct corral_net_nameservers *to, const char *address)
{
	struct sockaddr_storage *at = &to->address[to->n];
	struct sockaddr_in *four = (struct sockaddr_in *)at;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)at;
	char plain[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	char *link;

	if (to->n == CORRAL_NET_NAMESERVERS_MAX || strlen(address) >= sizeof(plain))
		return;
	memset(at, 0, sizeof(*at));
	memcpy(plain, address, strlen(address) + 1);
	link = strchr(plain, '%');
	if (link)
		*link++ = '\0';
	if (inet_pton(AF_INET, plain, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(DNS_PORT);
		to->address_len[to->n++] = sizeof(*four);
	} else if (inet_pton(AF_INET6, plain, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(DNS_PORT);
		six->sin6_scope_id = link ? if_nametoindex(link) : 0;
		to->address_len[to->n++] = sizeof(*six);
	}
}

void corral_net_nameservers_parse(char *text, struct corral_net_nameservers *ret)
{
	char *lines = NULL, *words = NULL;

	ret->n = 0;
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char *key = strtok_r(line, " \t\r", &words);
		char *value = key ? strtok_r(NULL, " \t\r", &words) : NULL;

		if (value && !strcmp(key, "nameserver"))
			corral_net_nameservers_add(ret, value);
	}
	if (!ret->n)
		corral_net_nameservers_add(ret, "127.0.0.1");
}

void corral_net_nameservers_read(struct corral_net_nameservers *ret)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(RESOLV_CONF, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char none[1] = "";

	if (fd >= 0)
		(void)corral_buf_read_fd(&text, fd, FILE_MAX);
	corral_net_nameservers_parse(text.data && !text.failed ? text.data : none, ret);
}
