/* kernel/network/helper: bounds that hold in an ordinary process as well. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/block.h"
#include "kernel/network/helper/leases.h"
#include "kernel/network/helper/listener.h"
#include "kernel/network/helper/nameservers.h"
#include "kernel/network/helper/rate.h"

static struct corral_address address(unsigned int i)
{
	const uint8_t bytes[4] = { 198, 51, (uint8_t)(i >> 8), (uint8_t)i };

	return corral_address_of(bytes, 4);
}

/* Two addresses of one answer, when all places but one are open: they are not put into one. */
static void place_of_a_lease_is_its_own(void **state)
{
	struct corral_leases l = { .list = NULL };
	struct corral_address a;

	(void)state;
	for (unsigned int i = 0; i < CORRAL_FILTER_LEASES_MAX; i++) {
		a = address(i);
		assert_int_equal(corral_leases_take(&l, &a, 0, "old.example", 1000), 0);
		corral_leases_settle(&l, &a, 0, i ? 9000 : 2000);
	}
	a = address(2000);
	assert_int_equal(corral_leases_take(&l, &a, 0, "new.example", 1000), -ENOSPC);
	assert_int_equal(corral_leases_take(&l, &a, 0, "new.example", 3000), 0);
	a = address(2001);
	assert_int_equal(corral_leases_take(&l, &a, 0, "new.example", 3000), -ENOSPC);
	a = address(2000);
	corral_leases_settle(&l, &a, 0, 8000);
	assert_int_equal(corral_leases_find(&l, &a, 0)->until_ms, 8000);
	assert_string_equal(corral_leases_name(&l, &a), "new.example");
	/* Another name's shorter time takes nothing away, a longer one counts. */
	corral_leases_settle(&l, &a, 0, 5000);
	assert_int_equal(corral_leases_find(&l, &a, 0)->until_ms, 8000);
	corral_leases_settle(&l, &a, 0, 8500);
	assert_int_equal(corral_leases_find(&l, &a, 0)->until_ms, 8500);
	assert_null(corral_leases_find(&l, &a, 1));
	corral_leases_done(&l);
}

static void bucket_fills_with_time(void **state)
{
	struct corral_net_rate r;
	unsigned int n = 0;

	(void)state;
	corral_net_rate_init(&r, 100, 5000);
	while (corral_net_rate_take(&r, 5000))
		n++;
	assert_int_equal(n, 200);
	assert_true(corral_net_rate_take(&r, 5010));
	assert_false(corral_net_rate_take(&r, 5010));
	for (n = 0; corral_net_rate_take(&r, 1000000); n++)
		;
	assert_int_equal(n, 200);
}

static void share_of_connections_is_that_of_a_place(void **state)
{
	(void)state;
	assert_int_equal(corral_net_connections_max(0), CORRAL_NET_CONNECTIONS_MAX);
	assert_int_equal(corral_net_connections_max(262144), 4096);
	assert_int_equal(corral_net_connections_max(1u << 20), 4096);
	assert_int_equal(corral_net_connections_max(65536), 1024);
	assert_int_equal(corral_net_connections_max(1), CORRAL_NET_CONNECTIONS_MIN);
}

/* Open ones, and those that began while what has ended stays: a quarter of the table each. */
static void share_of_all_sandboxes_is_half_of_the_table(void **state)
{
	static const unsigned int tables[] = { 0, 4096, 8192, 100000, 262144, 1u << 21, 1u << 30 };

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		for (unsigned int stays = 60; stays <= 240; stays *= 2) {
			const uint64_t quarter = (tables[i] ? tables[i] : 262144) / 4;
			const struct corral_net_share s = corral_net_share(tables[i], stays);

			assert_int_equal(s.parts & (s.parts - 1), 0);
			/* One that is in the only part would be in none. */
			assert_true(s.parts > 1);
			assert_true((uint64_t)s.parts * s.each <= quarter);
			assert_true((uint64_t)s.a_second * stays + s.at_once <= quarter);
			assert_true(s.each && s.a_second && s.at_once);
		}
	}
	assert_int_equal(corral_net_share(262144, 60).a_second, 955);
}

static struct corral_net_loop loop;
static unsigned int n_taken, n_ready;
static void (*listener_ready)(struct corral_net_watch *w, uint32_t events);
static struct rlimit whole;

static void taken(struct corral_net_listener *l, int take_fd)
{
	(void)l;
	(void)close(take_fd);
	n_taken++;
	loop.ends = true;
}

static void counted(struct corral_net_watch *w, uint32_t events)
{
	n_ready++;
	listener_ready(w, events);
}

/* After three ticks there is a descriptor again. */
static void give_back(struct corral_net_tick *t, uint64_t now_ms)
{
	static unsigned int n;

	(void)t;
	(void)now_ms;
	if (++n == 3)
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &whole), 0);
}

static void listener_without_a_descriptor_rests(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct corral_net_listener l = { .ticks = false };
	struct corral_net_tick tick = { give_back, NULL };
	struct rlimit few;
	socklen_t len = sizeof(sa_family_t);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), from, top;

	(void)state;
	assert_int_equal(corral_net_loop_init(&loop, NULL), 0);
	/* An abstract name of the kernel's choosing. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	len = sizeof(at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	from = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(from, (struct sockaddr *)&at, len), 0);
	assert_int_equal(corral_net_listener_open(&l, &loop, fd, taken, NULL), 0);
	listener_ready = l.watch.ready;
	l.watch.ready = counted;
	corral_net_loop_tick(&loop, &tick);
	top = fcntl(0, F_DUPFD_CLOEXEC, 0);
	(void)close(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &whole), 0);
	few = (struct rlimit) { (rlim_t)top, whole.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	corral_net_loop_run(&loop);
	assert_int_equal(n_taken, 1);
	/* Once for each tick, and not as often as the processor can. */
	assert_in_range(n_ready, 2, 6);
	corral_net_loop_done(&loop);
	(void)close(fd);
	(void)close(from);
}

static void page_of_names_is_read_and_not_written(void **state)
{
	const struct corral_net_names_page *view;
	struct corral_net_names_page *page;
	struct corral_net_nameservers n;
	int fd;

	(void)state;
	assert_int_equal(corral_net_names_page_new(&page, &fd, NULL), 0);
	view = corral_net_names_page_view(fd);
	assert_non_null(view);
	(void)corral_net_names_page_renew(page);
	assert_false(corral_net_names_page_renew(page));
	corral_net_names_page_read(view, &n);
	assert_true(n.n > 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	corral_net_names_page_free(page);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place_of_a_lease_is_its_own),
		cmocka_unit_test(bucket_fills_with_time),
		cmocka_unit_test(share_of_connections_is_that_of_a_place),
		cmocka_unit_test(share_of_all_sandboxes_is_half_of_the_table),
		cmocka_unit_test(listener_without_a_descriptor_rests),
		cmocka_unit_test(page_of_names_is_read_and_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
