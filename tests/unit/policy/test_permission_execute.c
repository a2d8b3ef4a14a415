/* policy/permission.h: rules held against commands, and the paths that these name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "tests/unit/policy/permission_support.h"

struct row {
	const char *command;
	enum corral_permission_action action;
};

static void check(const char *json, const struct row *rows, size_t n)
{
	struct corral_permission_checker *c = checker(json, NULL);

	for (size_t i = 0; i < n; i++)
		decides(c, CORRAL_PERMISSION_EXECUTE, rows[i].command, rows[i].action);
	corral_permission_checker_free(c);
}

#define ALLOW CORRAL_PERMISSION_ALLOW
#define ASK   CORRAL_PERMISSION_ASK
#define DENY  CORRAL_PERMISSION_DENY

static void a7_commands_are_split_before_they_are_matched(void **state)
{
	static const struct row rows[] = {
		{ "git status", ALLOW },
		{ "git diff a/b", ALLOW },
		{ "  git status\n", ALLOW },
		{ "/usr/bin/git status", ALLOW },
		{ "git log | git show && git x", ALLOW },
		{ "python src/x.py", ALLOW },
		{ "cd sub && git status", ALLOW },
		{ "if [ -d .git ]; then git status; fi", ALLOW },
		{ "FOO=1 git status", ALLOW },
		{ "timeout 5 git status", ALLOW },
		{ "sh -c 'git status; git log'", ALLOW },
		{ "git status 2>&1 >out.txt", ALLOW },
		{ "git log '; rm x'", ALLOW },
		{ "git status; rm x", ASK },
		{ "git status\nrm x", ASK },
		{ "git status & rm x", ASK },
		{ "git status | rm x", ASK },
		{ "git $(rm x)", ASK },
		{ "git `rm x`", ASK },
		{ "git \"$(rm x)\"", ASK },
		{ "git <(rm x)", ASK },
		{ "git status <<E\n$(rm x)\nE", ASK },
		{ "sh -c 'git status; rm x'", ASK },
		{ "env rm x", ASK },
		{ "./git status", ASK },
		{ "/tmp/git status", ASK },
		{ "'git status'", ASK },
		{ "'git x' y", ASK },
		{ "sudo git status", ASK },
		{ "PATH=/tmp git status", ASK },
		{ "export PATH=/tmp; git status", ASK },
		{ "LD_PRELOAD=x git status", ASK },
		{ "env GIT_SSH=x git status", ASK },
		{ "$X status", ASK },
		{ "g?t status", ASK },
		{ "git 'status", ASK },
		{ "git status | xargs git show", ALLOW },
		{ "git status | xargs rm", ASK },
		{ "echo only", ALLOW },
		{ "echo x | xargs echo only", ASK },
		{ "", ASK },
		{ "# nothing", ASK },
		{ "cd x", ASK },
		{ "A=1", ASK },
	};

	(void)state;
	check("{\"execute\":{\"default\":\"ask\",\"rules\":[{\"pattern\":\"git *\",\"action\":"
	      "\"allow\"},{\"pattern\":\"python *\",\"action\":\"allow\"},{\"pattern\":"
	      "\"echo only\",\"action\":\"allow\"}]}}",
	      rows, CORRAL_COUNT(rows));
}

static void a7_denied_programs_are_found_behind_others(void **state)
{
	static const struct row rows[] = {
		{ "rm x", DENY },
		{ "/bin/rm x", DENY },
		{ "./rm x", DENY },
		{ "\\rm x", DENY },
		{ "r''m x", DENY },
		{ "$'r\\x6d' x", DENY },
		{ "sudo -u bob rm x", DENY },
		{ "A=1 rm x", DENY },
		{ "echo y | xargs -n1 rm z", DENY },
		{ "find . -exec rm {} +", DENY },
		{ "eval 'rm x'", DENY },
		{ "bash -c \"sh -c 'rm x'\"", DENY },
		{ "bash <<E\nrm x\nE", DENY },
		{ "for i in a; do rm $i; done", DENY },
		{ "f() { rm x; }; f", DENY },
		{ "case x in *) rm x;; esac", DENY },
		{ "trap 'rm x' EXIT", DENY },
		{ "$RM x", DENY },
		{ "curl x | sh", DENY },
		{ "echo 'unbalanced", DENY },
		{ "echo rm x", ALLOW },
		{ "echo $x", ALLOW },
		{ "ls *.c", ALLOW },
		{ "rmdir x", ALLOW },
		{ "true", ALLOW },
	};

	(void)state;
	check("{\"execute\":{\"default\":\"allow\",\"rules\":[{\"pattern\":\"rm *\",\"action\":"
	      "\"deny\"}]}}",
	      rows, CORRAL_COUNT(rows));
}

static void a7_no_spelling_hides_a_program(void **state)
{
	static const struct row rows[] = {
		{ "echo $(echo $(rm x))", DENY },
		{ "echo \"${x:=$(rm x)}\"", DENY },
		{ "echo \"$(( $(rm x) ))\"", DENY },
		{ "cat <<E | cat\n$(rm x)\nE", DENY },
		{ "cat << 'E' ; rm x\ny\nE", DENY },
		{ "cat <<E\n'\nE\nrm x", DENY },
		{ "cat <<\"E F\"\nx\nE F\nrm x", DENY },
		{ "cat <<\\E\n$(\nE\nrm x", DENY },
		{ "cat <<E>out\nx\nE\nrm x", DENY },
		{ "cat <<E\nE \nE\nrm x", DENY },
		{ "a 3<<E\nE\nrm x", DENY },
		{ "echo \"$(cat <<E\nfoo)\nE\n)\"; rm x", DENY },
		{ "echo \"$(case x in x) echo y;; esac)\"; rm x", DENY },
		{ "echo $(# c )\n echo x); rm x", DENY },
		{ "a() (rm x)", DENY },
		{ "f () { rm x; }", DENY },
		{ "function f() { rm x; }", DENY },
		{ "if rm x; then :; fi", DENY },
		{ "{ rm x;}", DENY },
		{ ">out rm x", DENY },
		{ "2>/dev/null rm x", DENY },
		{ "{fd}>out rm x", DENY },
		{ "! rm x", DENY },
		{ "time rm x", DENY },
		{ "time -p rm x", DENY },
		{ "time -f %e rm x", DENY },
		{ "coproc rm x", DENY },
		{ "nice -19 rm x", DENY },
		{ "env -u A -- rm x", DENY },
		{ "/usr/bin/env rm x", DENY },
		{ "/usr/bin/env -S 'rm x'", DENY },
		{ "sudo -E FOO=1 rm x", DENY },
		{ "sudo --user=root rm x", DENY },
		{ "exec -a foo rm x", DENY },
		{ "busybox rm x", DENY },
		{ "xargs -I{} rm {}", DENY },
		{ "xargs -I % sh -c 'rm %'", DENY },
		{ "xargs -I% %", DENY },
		{ "xargs sh -c", DENY },
		{ "xargs timeout 5", DENY },
		{ "xargs env rm", DENY },
		{ "parallel rm ::: a b", DENY },
		{ "parallel ::: 'rm x'", DENY },
		{ "find . -exec sh -c 'rm \"$1\"' _ {} \\;", DENY },
		{ "find . -exec {} \\;", DENY },
		{ "bash -lc 'rm x'", DENY },
		{ "bash --norc -c 'rm x'", DENY },
		{ "bash -o errexit -c 'rm x'", DENY },
		{ "bash +x -c 'rm x'", DENY },
		{ "[[ -n x ]] && rm x", DENY },
		{ "(( 1 )) && rm x", DENY },
		{ "case x in (x) rm x; esac", DENY },
		{ "case \"$(rm x)\" in *) ;; esac", DENY },
		{ "for ((;;)) do rm x; done", DENY },
		{ "for ((;;)); { rm x; }", DENY },
		{ "select i in a; do rm x; done", DENY },
		{ "for i in $(rm x); do :; done", DENY },
		{ "while rm x; do :; done", DENY },
		{ "a|&rm x", DENY },
		{ "a &>>f & rm x", DENY },
		{ "a >&2;rm x", DENY },
		{ "a 2>&1|rm x", DENY },
		{ "a <<<\"$(rm x)\"", DENY },
		{ "echo ${x#'}'}; rm x", DENY },
		{ "echo ${x%\"}\"};rm x", DENY },
		{ "echo 'a\\'; rm x", DENY },
		{ "echo \"a\\\\\"; rm x", DENY },
		{ "echo a#; rm x", DENY },
		{ "echo $#; rm x", DENY },
		{ "echo ${#x}; rm x", DENY },
		{ "echo \\#; rm x", DENY },
		{ "eval rm\\ x", DENY },
		{ "eval 'eval \"rm x\"'", DENY },
		{ "echo rm x | bash -", DENY },
		{ "echo rm x | bash -s -- a", DENY },
		{ "echo rm x | env bash", DENY },
		{ "script -qc 'rm x' f", DENY },
		{ "su -c 'rm x' bob", DENY },
		{ "runuser -u bob -- rm x", DENY },
		{ "runuser bob -c 'rm x'", DENY },
		{ "flock f rm x", DENY },
		{ "unshare -r rm x", DENY },
		{ "chroot / rm x", DENY },
		{ "taskset -c 0 rm x", DENY },
		{ "stdbuf -oL rm x", DENY },
		{ "rm\tx", DENY },
		{ "command -p rm x", DENY },
		{ "\"${SHELL}\" -c 'rm x'", DENY },
		{ "$(echo rm) x", DENY },
		{ "a=(rm x); \"${a[@]}\"", DENY },
		{ "{rm,x}", DENY },
		{ "echo x > >(rm x)", DENY },
		{ "cat < <(rm x)", DENY },
		{ "echo a \\ \nrm x", DENY },
		{ "echo 'a'\"b\"\\;rm x", ALLOW },
		{ "echo \"a;rm x\"", ALLOW },
		{ "echo $'a\\'; rm x'", ALLOW },
		{ "echo \"a\\\"; rm x\"", ALLOW },
		{ "echo \\`rm x\\`", ALLOW },
		{ "echo \"\\`rm x\\`\"", ALLOW },
		{ "echo \"\\$(rm x)\"", ALLOW },
		{ "echo a #; rm x", ALLOW },
		{ "a >&2 rm x", ALLOW },
		{ "cat <<'E'\n$(rm x)\nrm x\nE", ALLOW },
		{ "git commit -m 'x; rm x'", ALLOW },
		{ "xargs -I% cp % /y", ALLOW },
	};

	(void)state;
	check("{\"execute\":{\"default\":\"allow\",\"rules\":[{\"pattern\":\"rm *\",\"action\":"
	      "\"deny\"}]}}",
	      rows, CORRAL_COUNT(rows));
}

static void a_rule_for_everything_settles_what_is_not_understood(void **state)
{
	static const struct row rows[] = {
		{ "echo 'unbalanced", ASK },
		{ "$X", ASK },
		{ "rm x", DENY },
		{ "ls", ASK },
	};

	(void)state;
	check("{\"execute\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"rm *\",\"action\":"
	      "\"deny\"},{\"pattern\":\"**\",\"action\":\"allow\"}]}}",
	      (const struct row[]) { { "echo 'unbalanced", DENY }, { "ls; ls", ALLOW } }, 2);
	check("{\"execute\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"rm x\",\"action\":"
	      "\"deny\"},{\"pattern\":\"**\",\"action\":\"ask\"}]}}",
	      rows + 2, 2);
	check("{\"execute\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"**\",\"action\":"
	      "\"ask\"},{\"pattern\":\"rm x\",\"action\":\"deny\"}]}}",
	      rows, 2);
}

static void rules_may_speak_of_operators_and_redirections(void **state)
{
	static const struct row rows[] = {
		{ "curl x | sh", DENY },      { "a; b", ALLOW },
		{ "a && b", DENY },           { "echo x >/etc/y", DENY },
		{ "echo x >> /etc/y", DENY }, { "echo x >/tmp/../etc/y", DENY },
		{ "cat </etc/y", ALLOW },     { "cat </secret", ASK },
		{ "echo x >/etc/ok", ALLOW },
	};

	(void)state;
	check("{\"execute\":{\"default\":\"allow\",\"rules\":[{\"pattern\":\"* | sh\",\"action\":"
	      "\"deny\"},{\"pattern\":\"*&&*\",\"action\":\"deny\"},{\"pattern\":\"> /etc/ok\","
	      "\"action\":\"allow\"},{\"pattern\":\"> /etc/*\",\"action\":\"deny\"},{\"pattern\":"
	      "\"< /secret\",\"action\":\"ask\"}]}}",
	      rows, CORRAL_COUNT(rows));
}

static void presets_block_dangerous_commands(void **state)
{
	static const char *const dangerous[] = {
		"rm -rf /",
		"rm -rf /*",
		"rm -fr /",
		"rm -r -f /",
		"rm --recursive --force /",
		"rm / -rf",
		"rm -rf //",
		"rm -rf /./",
		"rm -rf /tmp/..",
		"rm -rf -- /",
		"rm -rf / --no-preserve-root",
		"sudo rm -rf /",
		"sudo -n rm -rf /",
		"rm -rf /etc/x",
		"rm -rf /etc",
		"rm -rf /etc/",
		"rm -r x /usr",
		"rm -rf ~",
		"rm -rf ~/*",
		"rm -rf $HOME",
		"rm -rf \"$HOME\"/",
		"rm -rf /home",
		"rm -rf /home/*",
		"rm -rf /workspace",
		"cd / && rm -rf /",
		"bash -c 'rm -rf /'",
		"git status; rm -rf /",
		"mkfs.ext4 /dev/sda",
		"mkfs -t ext4 /dev/sda",
		"sudo mkfs.ext4 /dev/sda1",
		"/sbin/mkfs.ext4 /dev/sda",
		"dd if=/dev/zero of=/dev/sda",
		"dd of=/dev/nvme0n1 if=x",
		"dd if=x of=/dev/./sda",
		"> /dev/sda",
		"echo x > /dev/sda",
		"cat x >/dev/nvme0n1",
		"chmod -R 777 /",
		"chmod 777 -R /",
		"chown -R a:b /",
		":(){:|:&};:",
		":(){ :|:& };:",
		":() { : | : & } ; :",
		"find / -delete",
		"find / -name x -delete",
		"wipefs -a /dev/sda",
		"echo x | tee /dev/sda",
	};
	static const char *const plain[] = {
		"rm x",
		"rm -rf build",
		"rm -rf ./build/*",
		"rm -rf /workspace/build",
		"rm -rf /tmp/x",
		"rm -rf /home/me/project/build",
		"rm -rf node_modules && npm ci",
		"rm -f /etcetera",
		"ls /",
		"dd if=/dev/zero of=file bs=1M count=1",
		"echo 'rm -rf /'",
		"grep -r mkfs .",
		"git commit -m 'rm -rf / is bad'",
		"make 2>/dev/null",
		"chmod -R 755 dir",
		"for f in *.c; do echo $f; done",
		"find . -name '*.o' -delete",
		"python3 -m venv .venv && . .venv/bin/activate && pip install x",
	};
	static const struct {
		const char *name;
		enum corral_permission_action plain;
	} presets[] = { { "\"default\"", ASK },
		        { "\"permissive\"", ALLOW },
		        { "\"strict\"", ASK } };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(presets); i++) {
		struct corral_permission_checker *c = checker(presets[i].name, NULL);

		for (size_t k = 0; k < CORRAL_COUNT(dangerous); k++)
			decides(c, CORRAL_PERMISSION_EXECUTE, dangerous[k], DENY);
		for (size_t k = 0; k < CORRAL_COUNT(plain); k++)
			decides(c, CORRAL_PERMISSION_EXECUTE, plain[k], presets[i].plain);
		corral_permission_checker_free(c);
	}
}

static void refusals_of_commands_say_why(void **state)
{
	struct corral_permission_checker *c = checker("\"permissive\"", NULL);
	const struct corral_permission_target t = { "git status; rm -rf /", NULL, NULL };
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_permission_check(c, CORRAL_PERMISSION_EXECUTE, &t, NULL, &err),
	                 -EACCES);
	assert_string_equal(err.text, "Permission denied for execute on 'git status; rm -rf /': "
	                              "Block dangerous commands");
	assert_int_equal(corral_permission_enforce(c, CORRAL_PERMISSION_EXECUTE, &t, &err),
	                 -EACCES);
	assert_string_equal(err.text, "Permission denied: Block dangerous commands");
	corral_permission_checker_free(c);
}

/* /srv/link leads to /srv/private/x. */
static char *real(void *ctx, const char *path)
{
	(void)ctx;
	return strcmp(path, "/srv/link") ? NULL : strdup("/srv/private/x");
}

static void paths_in_commands_obey_read_and_write(void **state)
{
	static const struct {
		const char *command, *path, *operation;
	} rows[] = {
		{ "cat .env", ".env", "read" },
		{ "cat a/../.env", "a/../.env", "read" },
		{ "cat '.env'", ".env", "read" },
		{ "cat <.env", ".env", "read" },
		{ "sort --output=.env x", ".env", "read" },
		{ "sh -c 'cat .env'", ".env", "read" },
		{ "echo \"$(cat .env)\"", ".env", "read" },
		{ "cat private/x", "private/x", "read" },
		{ "cat /srv/private/x", "/srv/private/x", "read" },
		{ "cat link", "link", "read" },
		{ "cp -r private /tmp", "private", "read" },
		{ "cat ~/.ssh/id", "~/.ssh/id", "read" },
		{ "cat $HOME/.ssh/id", "$HOME/.ssh/id", "read" },
		{ "tar c ~/.ssh", "~/.ssh", "read" },
		{ "echo x >/etc/y", "/etc/y", "write" },
		{ "cp x /etc/y", "/etc/y", "write" },
		{ "rm -r /etc", "/etc", "write" },
		{ "dd if=x of=/etc/y", "/etc/y", "write" },
		{ "cat 'unbalanced .env", ".env", "read" },
		{ "cat /etc/hostname", NULL, NULL },
		{ "ls /etc", NULL, NULL },
		{ "/etc/init.d/x start", NULL, NULL },
		{ "cat env >out", NULL, NULL },
		{ "echo x 2>/dev/null", NULL, NULL },
	};
	const struct corral_permission_place place = { "/srv", "/home/me", real, NULL };
	struct corral_permission_checker *c = checker(
	        "{\"default\":\"deny\",\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":"
	        "\"**/.env\",\"action\":\"deny\"},{\"pattern\":\"**/.ssh/"
	        "**\",\"action\":\"deny\"},{"
	        "\"pattern\":\"/srv/private/**\",\"action\":\"deny\"}]},\"write\":{\"rules\":[{"
	        "\"pattern\":\"/etc/**\",\"action\":\"deny\"}]}}",
	        NULL);

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_error err = { 0 };
		char text[200] = "";
		int r = corral_permission_inspect_command(c, rows[i].command, &place, &err);

		if (rows[i].path)
			(void)snprintf(text, sizeof(text),
			               "Permission denied: command references '%s', which is "
			               "denied for %s",
			               rows[i].path, rows[i].operation);
		if (r != (rows[i].path ? -EACCES : 0) || strcmp(err.text, text) != 0)
			fail_msg("%s: %d '%s'", rows[i].command, r, err.text);
	}
	corral_permission_checker_free(c);
}

static void long_commands_are_decided_in_time(void **state)
{
	struct corral_permission_checker *c = checker("\"permissive\"", NULL);
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	corral_buf_str(&b, "rm");
	while (b.len < 30000)
		corral_buf_str(&b, " -r");
	decides(c, CORRAL_PERMISSION_EXECUTE, b.data, ALLOW);
	corral_buf_str(&b, " /");
	decides(c, CORRAL_PERMISSION_EXECUTE, b.data, DENY);
	corral_permission_checker_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a7_commands_are_split_before_they_are_matched),
		cmocka_unit_test(a7_denied_programs_are_found_behind_others),
		cmocka_unit_test(a7_no_spelling_hides_a_program),
		cmocka_unit_test(a_rule_for_everything_settles_what_is_not_understood),
		cmocka_unit_test(rules_may_speak_of_operators_and_redirections),
		cmocka_unit_test(presets_block_dangerous_commands),
		cmocka_unit_test(refusals_of_commands_say_why),
		cmocka_unit_test(paths_in_commands_obey_read_and_write),
		cmocka_unit_test(long_commands_are_decided_in_time),
	};

	return cmocka_run_group_tests_name("permission_execute", tests, NULL, NULL);
}
