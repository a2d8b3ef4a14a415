#include "kernel/network/helper/nameservers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define FILE_MAX    (64u << 10)
#define DNS_PORT    53
#define PAGE_TRIES  1000000
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

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

int corral_net_names_page_new(struct corral_net_names_page **ret, int *ret_fd,
                              struct corral_error *err)
{
	corral_autofd int fd = memfd_create("names", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *page;

	if (fd < 0 || ftruncate(fd, sizeof(**ret)) < 0)
		return corral_error_sys(err, errno, "a page of name servers");
	page = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return corral_error_sys(err, errno, "a page of name servers");
	if (fcntl(fd, F_ADD_SEALS,
	          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int code = errno;

		(void)munmap(page, sizeof(**ret));
		return corral_error_sys(err, code, "seal the page of name servers");
	}
	*ret = page;
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

const struct corral_net_names_page *corral_net_names_page_view(int fd)
{
	void *page = mmap(NULL, sizeof(struct corral_net_names_page), PROT_READ, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

void corral_net_names_page_free(struct corral_net_names_page *p)
{
	if (p)
		(void)munmap(p, sizeof(*p));
}

bool corral_net_names_page_renew(struct corral_net_names_page *p)
{
	struct corral_net_nameservers now;

	memset(&now, 0, sizeof(now));
	corral_net_nameservers_read(&now);
	if (!memcmp(&now, &p->servers, sizeof(now)))
		return false;
	atomic_fetch_add(&p->turn, 1);
	p->servers = now;
	atomic_fetch_add(&p->turn, 1);
	return true;
}

void corral_net_names_page_read(const struct corral_net_names_page *p,
                                struct corral_net_nameservers *ret)
{
	uint32_t turn;
	int tries = 0;

	/* It is written once in a while, and within a moment: or for ever half, when corral-net was
	 * killed in that moment. */
	do {
		turn = atomic_load(&p->turn);
		*ret = p->servers;
	} while (((turn & 1) || turn != atomic_load(&p->turn)) && ++tries < PAGE_TRIES);
	if (ret->n > CORRAL_NET_NAMESERVERS_MAX)
		ret->n = 0;
}
