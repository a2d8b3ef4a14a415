/* policy/account.c: users and groups in the words of a stranger's /etc/passwd and /etc/group. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/account.h"

#define TEXT(passwd, group) \
	((struct corral_account_text) { (passwd), (group), sizeof(passwd) - 1, sizeof(group) - 1 })

/* "uid:gid group group home"; "-" where it is refused. */
static void found(const struct corral_account_text *t, const char *user, const char *wanted)
{
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	int r = corral_account_find(t, user, false, &a, &err);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		corral_buf_fmt(&text, "- %s", err.text);
	} else {
		corral_buf_fmt(&text, "%u:%u", a.guest_uid, a.guest_gid);
		for (uint32_t i = 0; i < a.n_groups; i++)
			corral_buf_fmt(&text, " %u", a.guest_groups[i]);
		corral_buf_fmt(&text, " %s", a.guest_home ? a.guest_home : "none");
	}
	if (strncmp(text.data, wanted, r < 0 ? strlen(wanted) : strlen(text.data) + 1) != 0)
		fail_msg("'%s': '%s', not '%s'", user, text.data, wanted);
}

static const char usual_passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                                   "app:x:1000:1001::/home/app:/bin/sh\n"
                                   "alone:x:12:13::/alone:",
                  usual_group[] = "root:x:0:\nstaff:x:50:app\naudio:x:29:root,app,other\n"
                                  "apple:x:7:apple,ap,appl\nown:x:1001:app\nlast:x:60:app";

static void groups_are_those_that_list_the_user(void **state)
{
	const struct corral_account_text t = TEXT(usual_passwd, usual_group);

	(void)state;
	found(&t, "app", "1000:1001 50 29 60 /home/app");
	found(&t, "1000", "1000:1001 50 29 60 /home/app");
	found(&t, "root", "0:0 29 /root");
	found(&t, "", "0:0 29 /root");
	/* The last line has no end. */
	found(&t, "alone", "12:13 /alone");
	found(&t, "4000", "4000:0 none");
}

static void group_that_is_said_is_the_only_one(void **state)
{
	const struct corral_account_text t = TEXT(usual_passwd, usual_group);

	(void)state;
	found(&t, "app:staff", "1000:50 /home/app");
	found(&t, "app:last", "1000:60 /home/app");
	found(&t, "1000:7", "1000:7 /home/app");
	found(&t, "4000:staff", "4000:50 none");
	found(&t, "app:ghosts", "- group 'ghosts' is not in its /etc/group");
	found(&t, "ghost", "- user 'ghost' is not in its /etc/passwd");
	found(&t, "ghost:staff", "- user 'ghost' is not in its /etc/passwd");
}

static void without_files_there_are_numbers(void **state)
{
	const struct corral_account_text t = { NULL, NULL, 0, 0 };

	(void)state;
	found(&t, "7", "7:0 none");
	found(&t, "7:8", "7:8 none");
	found(&t, "", "0:0 none");
	found(&t, "root", "- user 'root' is not in its /etc/passwd");
	found(&t, "7:root", "- group 'root' is not in its /etc/group");
}

static void first_of_several_counts(void **state)
{
	const struct corral_account_text t =
	        TEXT("a:x:1:2::/first:\na:x:3:4::/second:\nb:x:1:9::/b:\n",
	             "g:x:5:a\ng:x:6:a\nh:x:5:a,a\nk:x:5:b\n");

	(void)state;
	found(&t, "a", "1:2 5 6 /first");
	found(&t, "1", "1:2 5 6 /first");
	found(&t, "b", "1:9 5 /b");
	found(&t, "b:g", "1:5 /b");
}

static void numbers_that_are_none_are_no_accounts(void **state)
{
	const struct corral_account_text t = TEXT(
	        "huge:x:4294967296:1::/:\nnochange:x:4294967295:1::/:\nminus:x:-1:1::/:\n"
	        "plus:x:+1:1::/:\nblank:x: 1:1::/:\nwide:x:18446744073709551617:1::/:\n"
	        "group:x:1:99999999999999999999999::/:\nempty:x::1::/:\nhex:x:0x1:1::/:\n"
	        "most:x:4294967294:4294967294::/m:\n",
	        "huge:x:4294967296:most\nnone:x:4294967295:most\nminus:x:-5:most\nfit:x:5:most\n");

	(void)state;
	for (const char *const *u =
	             (const char *const[]) { "huge", "nochange", "minus", "plus", "blank", "wide",
	                                     "group", "empty", "hex", "4294967295", "-1", NULL };
	     *u; u++)
		found(&t, *u, "- user '");
	found(&t, "most", "4294967294:4294967294 5 /m");
	found(&t, "most:huge", "- group 'huge'");
	found(&t, "1", "1:0 none");
}

/* Lines that ask for others' accounts, comments, halves, and bytes that programs end at. */
static void lines_that_are_no_accounts_are_passed_over(void **state)
{
	const struct corral_account_text t =
	        TEXT("+nis:x:1:1::/:\n-nis:x:1:1::/:\n+@group:::::\n#no:x:1:1::/:\n:x:1:1::/:\n"
	             "\n\n:::::::\nshort:x:1:1\nnul\0:x:0:0::/:\nhid\0den:x:0:0::/h:\n"
	             "after:x:8:9::/af\0ter:\nend:x:10:11::/end:/bin/sh:more:and:more\n",
	             "+:::\n+in:x:1:end\n-out:x:2:end\nnul\0:x:3:end\nfour:x:4:end\0\n"
	             "half:x\nfive:x:5:end\nsix:x:6:,,end,\n");

	(void)state;
	for (const char *const *u = (const char *const[]) { "+nis", "-nis", "#no", "short", "nul",
	                                                    "hid", "den", "after", NULL };
	     *u; u++)
		found(&t, *u, "- user '");
	found(&t, "1", "1:0 none");
	found(&t, "0", "0:0 none");
	found(&t, "end", "10:11 5 6 /end");
	found(&t, "end:half", "- group 'half'");
	found(&t, "end:+in", "- group '+in'");
}

static void line_that_is_too_long_is_no_account(void **state)
{
	corral_autobuf struct corral_buf passwd = CORRAL_BUF_INIT, group = CORRAL_BUF_INIT;
	struct corral_account_text t;

	(void)state;
	corral_buf_str(&passwd, "long:x:1:1::/");
	for (size_t i = 0; i < CORRAL_ACCOUNT_LINE_MAX; i++)
		corral_buf_str(&passwd, "h");
	corral_buf_str(&passwd, ":\nshort:x:2:3::/s:\n");
	/* Of a group many may be members. */
	corral_buf_str(&group, "many:x:7:");
	for (size_t i = 0; i < 100000; i++)
		corral_buf_fmt(&group, "u%zu,", i);
	corral_buf_str(&group, "short\n");
	t = (struct corral_account_text) { passwd.data, group.data, passwd.len, group.len };
	found(&t, "long", "- user 'long'");
	found(&t, "short", "2:3 7 /s");
}

static void more_groups_than_there_may_be_are_refused(void **state)
{
	corral_autobuf struct corral_buf group = CORRAL_BUF_INIT;
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	static const char passwd[] = "app:x:1:2::/:\n";
	struct corral_account_text t = { passwd, NULL, sizeof(passwd) - 1, 0 };
	struct corral_error err = { 0 };

	(void)state;
	for (uint32_t i = 0; i < CORRAL_ACCOUNT_GROUPS_MAX; i++)
		corral_buf_fmt(&group, "g%u:x:%u:app\n", i, 100 + i);
	t.group = group.data;
	t.group_len = group.len;
	assert_int_equal(corral_account_find(&t, "app", false, &a, &err), 0);
	assert_int_equal(a.n_groups, CORRAL_ACCOUNT_GROUPS_MAX);
	assert_int_equal(a.guest_groups[CORRAL_ACCOUNT_GROUPS_MAX - 1], 163);
	/* The same ones again are no more. */
	corral_buf_str(&group, "again:x:100:app\n");
	t.group = group.data;
	t.group_len = group.len;
	corral_account_done(&a);
	assert_int_equal(corral_account_find(&t, "app", false, &a, &err), 0);
	corral_buf_str(&group, "more:x:99:app\n");
	t.group = group.data;
	t.group_len = group.len;
	found(&t, "app", "- user 'app' is in more than 64 groups of its /etc/group");
	found(&t, "app:more", "1:99 /");
}

/* A number that is asked for is that number: no file turns 1000 into root. */
static void digits_name_others_where_they_may(void **state)
{
	const struct corral_account_text t =
	        TEXT("1000:x:0:0::/root:\nreal:x:1000:7::/real:\n", "50:x:0:\nreal:x:51:real\n");
	corral_auto(corral_account_done) struct corral_account a = { 0 };

	(void)state;
	found(&t, "1000", "1000:7 51 /real");
	found(&t, "1000:50", "1000:50 /real");
	assert_int_equal(corral_account_find(&t, "1000:50", true, &a, NULL), 0);
	assert_int_equal(a.guest_uid, 0);
	assert_int_equal(a.guest_gid, 0);
	assert_string_equal(a.guest_home, "/root");
}

/* The text ends where it ends, whatever is behind it. */
static void nothing_behind_the_text_is_read(void **state)
{
	static const char passwd[] = "a:x:1:2::/a:\nb:x:3:4::/b:\n";
	char *copy;

	(void)state;
	for (size_t len = 0; len < sizeof(passwd); len++) {
		corral_auto(corral_account_done) struct corral_account a = { 0 };
		struct corral_account_text t = { NULL, NULL, len, len };

		/* Of that very size, so that the sanitizer sees a step too far. */
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, passwd, len);
		t.passwd = t.group = copy;
		(void)corral_account_find(&t, "b", false, &a, NULL);
		corral_account_done(&a);
		(void)corral_account_find(&t, "a:b", false, &a, NULL);
		free(copy);
	}
}

static void what_could_be_a_user_is_taken(void **state)
{
	static const char *const good[] = { "www-data",   "0",     "7:8",      "app:staff",
		                            "1000:staff", "app:7", "a b",      "_apt",
		                            "4294967294", "0x1",   "Dom\\name" },
	                         *const bad[] = { "",           ":",
		                                  "a:",         ":a",
		                                  "a:b:c",      "+nis",
		                                  "-1",         "a:-1",
		                                  "4294967295", "#a",
		                                  "a\nb",       "a:b\t",
		                                  "7:",         "1:4294967295",
		                                  "a\x7f",      "99999999999999999999" };
	char many[CORRAL_ACCOUNT_USER_MAX + 2];
	struct corral_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(good); i++)
		if (corral_account_user_check(good[i], &err) < 0)
			fail_msg("%s", err.text);
	for (size_t i = 0; i < CORRAL_COUNT(bad); i++)
		if (corral_account_user_check(bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(corral_account_user_check(many, &err), -EINVAL);
	many[sizeof(many) - 2] = '\0';
	assert_int_equal(corral_account_user_check(many, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_those_that_list_the_user),
		cmocka_unit_test(group_that_is_said_is_the_only_one),
		cmocka_unit_test(without_files_there_are_numbers),
		cmocka_unit_test(first_of_several_counts),
		cmocka_unit_test(numbers_that_are_none_are_no_accounts),
		cmocka_unit_test(lines_that_are_no_accounts_are_passed_over),
		cmocka_unit_test(line_that_is_too_long_is_no_account),
		cmocka_unit_test(more_groups_than_there_may_be_are_refused),
		cmocka_unit_test(digits_name_others_where_they_may),
		cmocka_unit_test(nothing_behind_the_text_is_read),
		cmocka_unit_test(what_could_be_a_user_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
