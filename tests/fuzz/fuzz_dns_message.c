/*
 * Messages of the DNS: the first byte says from which side. A question that is taken can be sent on
 * and asked for again; an answer that is taken can be written and read again as the same.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kernel/network/helper/dns_message.h"
#include "tests/fuzz/fuzz.h"

static void check_answer(const struct corral_dns_question *q, const struct corral_dns_answer *a)
{
	struct corral_dns_answer again;
	static uint8_t buf[6144];
	size_t len = corral_dns_answer_write(q, a, "why", buf, sizeof(buf));

	assert(len <= sizeof(buf));
	if (!q->name.len)
		return; /* no more than a header */
	if (corral_dns_answer_parse(buf, len, q, q->id, &again) < 0) {
		assert(a->n_chain); /* a circle that was not one to begin with is none either */
		return;
	}
	assert(!again.truncated && again.code == a->code);
	assert(a->code || again.n_addresses == a->n_addresses);
	len = corral_dns_answer_write(q, a, NULL, buf, 512);
	assert(len <= 512);
}

static void from_guest(const uint8_t *data, size_t size)
{
	struct corral_dns_question q, again;
	struct corral_dns_answer none = { .code = CORRAL_DNS_NXDOMAIN };
	char name[CORRAL_EGRESS_NAME_SIZE];
	uint8_t buf[CORRAL_DNS_QUERY_MAX];
	int r = corral_dns_question_parse(data, size, &q);

	assert(r == 0 || r == -EBADMSG || r == -EINVAL || r == -EOPNOTSUPP);
	if (r == -EBADMSG)
		return;
	check_answer(&q, &none);
	if (r < 0)
		return;
	corral_dns_name_text(&q.name, name);
	assert(strlen(name) < sizeof(name));
	assert(corral_dns_question_parse(buf, corral_dns_query_write(&q, 1, buf), &again) == 0);
	assert(again.type == q.type && again.name.len == q.name.len);
}

static void from_upstream(const uint8_t *data, size_t size)
{
	struct corral_dns_question q = { .type = CORRAL_DNS_A, .class = 1 };
	struct corral_dns_answer a;

	(void)corral_dns_name_from_text("a.org", &q.name);
	q.type = size % 2 ? CORRAL_DNS_A : CORRAL_DNS_AAAA;
	if (corral_dns_answer_parse(data, size, &q, 99, &a) < 0 || a.truncated)
		return;
	assert(a.n_addresses <= CORRAL_DNS_ADDRESSES_MAX && a.n_chain <= CORRAL_DNS_CHAIN_MAX);
	for (uint8_t i = 0; i < a.n_addresses; i++)
		assert(a.addresses[i].family == (q.type == CORRAL_DNS_A ? 4 : 6));
	a.code = CORRAL_DNS_NOERROR;
	check_answer(&q, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] % 2)
		from_guest(data + 1, size - 1);
	else
		from_upstream(data + 1, size - 1);
	return 0;
}
