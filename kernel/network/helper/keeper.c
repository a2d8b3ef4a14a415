#include "kernel/network/helper/keeper.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/confine.h"
#include "kernel/network/helper/dns_message.h"

/* Longer than any answer of nf_tables takes (nft_batch.c), and its second try. */
#define ANSWER_S 15

struct request {
	uint32_t is_lease; /* else for the ledger */
	uint32_t n, ttl_s;
	uint64_t sets;
	struct corral_address addresses[CORRAL_DNS_ADDRESSES_MAX];
	char name[CORRAL_EGRESS_NAME_SIZE];
};

/* Whoever asks may be somebody else by now. */
static int lease(struct corral_filter *f, struct request *q)
{
	if (q->n > CORRAL_COUNT(q->addresses))
		return -EINVAL;
	q->name[sizeof(q->name) - 1] = '\0';
	for (uint32_t i = 0; i < q->n; i++)
		if (q->addresses[i].family != 4 && q->addresses[i].family != 6)
			return -EINVAL;
	return corral_filter_lease(f, q->name, q->sets, q->addresses, q->n, q->ttl_s, NULL);
}

static void serve(struct corral_filter *f, int fd)
{
	static struct corral_ledger ledger;
	struct request q;
	int r;

	while (recv(fd, &q, sizeof(q), 0) == sizeof(q)) {
		if (q.is_lease) {
			r = lease(f, &q);
			if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
				return;
			continue;
		}
		memset(&ledger, 0, sizeof(ledger));
		/* What cannot be read is not in it. */
		(void)corral_filter_report(f, &ledger, NULL);
		if (send(fd, &ledger, sizeof(ledger), MSG_NOSIGNAL) != sizeof(ledger))
			return;
	}
}

/* All but those: what else the parent holds is not for a process with this capability. */
static void others_close(const int *keep, size_t n)
{
	int from = 3;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		(void)syscall(SYS_close_range, from, next < 0 ? ~0u : (unsigned int)next - 1, 0);
		if (next < 0)
			return;
		from = next + 1;
	}
}

_Noreturn static void keeper(struct corral_filter *f, int keep_fd, int fd)
{
	const struct corral_filter_fds fds = corral_filter_fds(f);
	const int keep[] = { fd, keep_fd, fds.rules, fds.alive };
	struct corral_error err = { 0 };
	int r;

	(void)signal(SIGTERM, SIG_DFL);
	others_close(keep, CORRAL_COUNT(keep));
	r = corral_net_confine(1ull << CAP_NET_ADMIN, &err);
	if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) == sizeof(r) && r == 0)
		serve(f, fd);
	_exit(0);
}

static int receive(int fd, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buf, size, 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EPIPE;
}

int corral_net_keeper_start(struct corral_filter *f, int keep_fd, int *ret_fd,
                            struct corral_error *err)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	corral_autofd int ours = -1, theirs = -1;
	int pair[2], answer, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "start the keeper of the list");
	ours = pair[0];
	theirs = pair[1];
	(void)setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	pid = fork();
	if (pid < 0)
		return corral_error_sys(err, errno, "start the keeper of the list");
	if (pid == 0)
		keeper(f, keep_fd, theirs);
	corral_fd_closep(&theirs);
	r = receive(ours, &answer, sizeof(answer));
	r = r < 0 ? r : answer;
	if (r < 0)
		return corral_error_sys(err, -r, "confine the keeper of the list");
	*ret_fd = corral_take_fd(&ours);
	return 0;
}

int corral_net_keeper_lease(int keeper_fd, const char *name, uint64_t sets,
                            const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                            struct corral_error *err)
{
	struct request q = { .is_lease = 1, .ttl_s = ttl_s, .sets = sets };
	int answer, r = 0;

	if (n > CORRAL_COUNT(q.addresses) || strlen(name) >= sizeof(q.name))
		return corral_error_set(err, EINVAL, "more than a lease takes");
	q.n = (uint32_t)n;
	memcpy(q.addresses, addresses, n * sizeof(*addresses));
	memcpy(q.name, name, strlen(name));
	if (send(keeper_fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		r = -EPIPE;
	if (r == 0)
		r = receive(keeper_fd, &answer, sizeof(answer));
	r = r < 0 ? r : answer;
	return r < 0 ? corral_error_sys(err, -r, "open the addresses of '%.100s'", name) : 0;
}

int corral_net_keeper_report(int keeper_fd, struct corral_ledger *ret, struct corral_error *err)
{
	const struct request q = { .is_lease = 0 };
	int r = 0;

	if (send(keeper_fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		r = -EPIPE;
	if (r == 0)
		r = receive(keeper_fd, ret, sizeof(*ret));
	if (r == 0)
		r = corral_ledger_check(ret);
	return r < 0 ? corral_error_sys(err, -r, "read the counters of network allow") : 0;
}
