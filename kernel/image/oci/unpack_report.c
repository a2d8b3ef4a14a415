#include "kernel/image/oci/unpack_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

#define TOTAL_MAX (64u << 20)

/* Errors that mean something to a caller; any other is one of reading. */
static const int codes[] = { EINVAL, EBADMSG, EFBIG, ENOSPC, EDQUOT, ENOMEM, EIO, E2BIG };

void corral_unpack_report_done(struct corral_unpack_report *r)
{
	corral_buf_done(&r->gone);
	corral_buf_done(&r->capabilities);
}

/* Hostile, and shown on terminals. */
static void printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text >= 0x7f)
			*text = '?';
}

void corral_unpack_report_rest(const struct corral_unpack_report *r, char ret[128])
{
	size_t len = r->len < 127 ? r->len : 127;

	memcpy(ret, r->partial, len);
	ret[len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	printable(ret);
}

/* As kernel/image/layer.h has them; "" is the root. */
static bool is_path(const char *path)
{
	if (strlen(path) > CORRAL_UNPACK_PATH_MAX)
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!len || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
			return false;
		path += len;
		if (*path && !*++path)
			return false;
	}
	return true;
}

static bool is_capability(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return len && len % 2 == 0 && len <= 128 && text[len] == ':' && text[len + 1] &&
	       is_path(text + len + 1);
}

static void error_take(struct corral_unpack_report *r, char *text)
{
	char *colon = strchr(text, ':');
	uint64_t code = 0;

	if (r->error.code)
		return;
	if (!colon)
		colon = text;
	else
		*colon++ = '\0';
	if (corral_parse_u64(text, 4095, &code, NULL) < 0)
		code = EIO;
	printable(colon);
	for (size_t i = 0; i < CORRAL_COUNT(codes); i++)
		if (code == (uint64_t)codes[i]) {
			(void)corral_error_set(&r->error, codes[i], "%s", colon);
			return;
		}
	(void)corral_error_set(&r->error, EIO, "%s", colon);
}

static int record_take(struct corral_unpack_report *r, struct corral_error *err)
{
	char *text = r->partial + 1;
	bool ok = true;

	switch (r->partial[0]) {
	case CORRAL_REPORT_GONE:
		ok = *text && is_path(text);
		corral_buf_add(&r->gone, r->partial, r->len);
		break;
	case CORRAL_REPORT_OPAQUE:
	case CORRAL_REPORT_IMPLIED:
		ok = is_path(text);
		corral_buf_add(&r->gone, r->partial, r->len);
		break;
	case CORRAL_REPORT_CAPABILITY:
		ok = is_capability(text);
		corral_buf_add(&r->capabilities, text, r->len - 1);
		break;
	case CORRAL_REPORT_ERROR:
		error_take(r, text);
		break;
	case CORRAL_REPORT_DONE:
		r->done = true;
		ok = !*text || corral_parse_u64(text, UINT64_MAX, &r->entries, NULL) == 0;
		break;
	default:
		ok = false;
	}
	if (r->gone.failed || r->capabilities.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	return ok ? 0 : corral_error_set(err, EBADMSG, "what unpacks it broke down");
}

int corral_unpack_report_add(struct corral_unpack_report *r, const char *data, size_t len,
                             struct corral_error *err)
{
	r->total += len;
	if (r->total > TOTAL_MAX)
		return corral_error_set(err, EFBIG, "more than %u bytes of whiteouts", TOTAL_MAX);
	for (size_t i = 0; i < len; i++) {
		int e;

		if (r->len == sizeof(r->partial))
			return corral_error_set(err, EBADMSG, "what unpacks it broke down");
		r->partial[r->len++] = data[i];
		if (data[i])
			continue;
		e = r->len > 1 ? record_take(r, err) : 0;
		if (e < 0)
			return e;
		r->len = 0;
	}
	return 0;
}
