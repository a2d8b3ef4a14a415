/*
 * Whom commands run as, by names: the text of an /etc/passwd and an /etc/group of the guest's,
 * which are a stranger's words. Pure; whoever has the files reads them (kernel/image/account.h).
 */
#ifndef CORRAL_POLICY_ACCOUNT_H
#define CORRAL_POLICY_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Groups beside its first that a user may have here. */
#define CORRAL_ACCOUNT_GROUPS_MAX 64u
/* Of a line of /etc/passwd, whose parts get into the environment; longer ones are no account's. */
#define CORRAL_ACCOUNT_LINE_MAX 4096u
/* Of a name, with a group's behind it. */
#define CORRAL_ACCOUNT_USER_MAX 256u

/* What the /etc that is composed for the host's root has (kernel/skeleton.h), beside a user whose
 * number is asked for. */
#define CORRAL_ACCOUNT_HOST_PASSWD        \
	"root:x:0:0:root:/root:/bin/sh\n" \
	"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
#define CORRAL_ACCOUNT_HOST_GROUP "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"

/* NULL: there is no such file. */
struct corral_account_text {
	const char *passwd, *group;
	size_t passwd_len, group_len;
};

struct corral_account {
	uint32_t guest_uid, guest_gid;
	uint32_t guest_groups[CORRAL_ACCOUNT_GROUPS_MAX]; /* each once, guest_gid not among them */
	uint32_t n_groups;
	char *name, *guest_home; /* NULL: it has no entry */
};
void corral_account_done(struct corral_account *a);

/*
 * Whether it could be a user's: "NAME", "UID", either with ":GROUP" or ":GID" behind it. A name has
 * no control characters and does not begin with "+" or "-", which mean other things in such files;
 * what consists of digits is a number below 4294967295. -EINVAL.
 */
int corral_account_user_check(const char *user, struct corral_error *err);

/*
 * user: as above, or "" for root. A number needs no entry; its group is then 0. Without a group its
 * groups are those that /etc/group says its name is in. What is no well-formed line is as if it
 * were not there; of several the first counts. digits_may_name: what consists of digits is looked
 * for as a name first, as engines have it; whoever asks for a number from outside gets that number,
 * whatever the files call others. -EINVAL: "user 'x' is not in its /etc/passwd", "group 'x' ...",
 * or that it is in too many.
 */
int corral_account_find(const struct corral_account_text *t, const char *user, bool digits_may_name,
                        struct corral_account *ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
