/* Programs that run other programs, and what else of names a shell's reader has to know. */
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_shell.h"

static const struct shell_program programs[] = {
	{ .name = "sudo",
	  .valued = "CDghpRrtTUu",
	  .flags = "ABbEeHiKklnPSsVv",
	  .long_valued = " --user --group --host --prompt --chroot --chdir --role --type "
	                 "--close-from --other-user --command-timeout ",
	  .long_flags =
	          " --askpass --background --preserve-env --set-home --login --reset-timestamp "
	          "--list --non-interactive --preserve-groups --stdin --shell --validate ",
	  .assignments = true,
	  .rights = true,
	  .shell_flags = "is" },
	{ .name = "doas", .valued = "Cu", .flags = "nsL", .rights = true, .shell_flags = "s" },
	{ .name = "su",
	  .valued = "cgGsTw",
	  .flags = "lmpPfh",
	  .long_valued = " --command --session-command --group --supp-group --shell "
	                 "--whitelist-environment ",
	  .long_flags = " --login --preserve-environment --pty --fast ",
	  .text = 'c',
	  .permutes = true,
	  .rights = true },
	{ .name = "runuser",
	  .valued = "cgGsTuw",
	  .flags = "lmpPfh",
	  .long_valued = " --command --session-command --group --supp-group --shell --user ",
	  .long_flags = " --login --preserve-environment --pty --fast ",
	  .text = 'c',
	  .rights = true },
	{ .name = "chroot",
	  .long_valued = " --userspec --groups ",
	  .long_flags = " --skip-chdir ",
	  .operands = 1,
	  .rights = true },
	{ .name = "unshare",
	  .valued = "SGRw",
	  .flags = "mupinUCTfrc",
	  .long_valued = " --setuid --setgid --root --wd --propagation --setgroups --map-user "
	                 "--map-group --map-users --map-groups ",
	  .long_flags = " --mount --uts --ipc --net --pid --user --cgroup --time --fork "
	                "--map-root-user --map-current-user --map-auto --mount-proc --kill-child "
	                "--keep-caps ",
	  .rights = true },
	{ .name = "env",
	  .valued = "uC",
	  .flags = "i0v",
	  .long_valued = " --unset --chdir ",
	  .long_flags = " --ignore-environment --null --debug ",
	  .assignments = true },
	{ .name = "nohup" },
	{ .name = "setsid", .flags = "cfw", .long_flags = " --ctty --fork --wait " },
	{ .name = "nice", .valued = "n", .flags = "0123456789", .long_valued = " --adjustment " },
	{ .name = "ionice",
	  .valued = "cnpPu",
	  .flags = "t",
	  .long_valued = " --class --classdata ",
	  .long_flags = " --ignore " },
	{ .name = "chrt",
	  .valued = "TPD",
	  .flags = "abdfiormvR",
	  .long_flags = " --batch --idle --fifo --rr --other --deadline --reset-on-fork ",
	  .operands = 1 },
	{ .name = "taskset",
	  .flags = "ac",
	  .long_flags = " --all-tasks --cpu-list ",
	  .operands = 1 },
	{ .name = "timeout",
	  .valued = "ks",
	  .flags = "fpv",
	  .long_valued = " --kill-after --signal ",
	  .long_flags = " --foreground --preserve-status --verbose ",
	  .operands = 1 },
	{ .name = "stdbuf", .valued = "ioe", .long_valued = " --input --output --error " },
	{ .name = "time",
	  .valued = "fo",
	  .flags = "apvVqlh",
	  .long_valued = " --format --output ",
	  .long_flags = " --append --portability --verbose --quiet " },
	{ .name = "command", .flags = "pvV", .lookup_flags = "vV" },
	{ .name = "builtin" },
	{ .name = "exec", .valued = "a", .flags = "cl" },
	{ .name = "eval", .joins = true },
	{ .name = "xargs",
	  .valued = "aEILnPsd",
	  .flags = "0rtxopeil123456789",
	  .long_valued = " --arg-file --delimiter --max-args --max-procs --max-chars "
	                 "--process-slot-var ",
	  .long_flags = " --null --no-run-if-empty --verbose --exit --open-tty --interactive "
	                "--replace --eof --max-lines --show-limits ",
	  .more = true },
	{ .name = "parallel",
	  .valued = "jaINLnsSP",
	  .flags = "0kuXmtv",
	  .long_valued = " --jobs --arg-file --delay --joblog --retries --timeout --colsep ",
	  .long_flags = " --null --keep-order --ungroup --bar --progress --line-buffer --dry-run ",
	  .joins = true,
	  .more = true },
	{ .name = "watch",
	  .valued = "nq",
	  .flags = "bcdegprtwxC",
	  .long_valued = " --interval --equexit ",
	  .long_flags = " --beep --color --no-color --differences --errexit --chgexit --precise "
	                "--no-title --no-wrap --exec ",
	  .joins = true },
	{ .name = "flock",
	  .valued = "wE",
	  .flags = "eFnosux",
	  .long_valued = " --timeout --wait --conflict-exit-code ",
	  .long_flags = " --exclusive --no-fork --nonblock --nb --close --shared --unlock "
	                "--verbose ",
	  .operands = 1,
	  .text = 'c' },
	{ .name = "script",
	  .valued = "cEIOBTtmo",
	  .flags = "aefq",
	  .long_valued = " --command --echo --log-in --log-out --log-io --log-timing "
	                 "--logging-format --output-limit ",
	  .long_flags = " --append --return --flush --quiet --force ",
	  .text = 'c',
	  .permutes = true },
	{ .name = "strace",
	  .valued = "abeEIoOpPsSuUX",
	  .flags = "cCdDfFhiknqrtTvVwxyYzZ",
	  .long_valued = " --output --trace --string-limit --user ",
	  .long_flags = " --follow-forks --summary-only --quiet " },
	{ .name = "busybox" },
	{ .name = "toybox" },
	{ .name = "fakeroot", .valued = "lsibf", .flags = "u" },
	{ .name = "xvfb-run",
	  .valued = "enfpsw",
	  .flags = "al",
	  .long_flags = " --auto-servernum " },
};

static bool listed(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(name, list[i]))
			return true;
	}
	return false;
}

const char *shell_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const struct shell_program *shell_program_find(const char *name)
{
	for (size_t i = 0; i < CORRAL_COUNT(programs); i++) {
		if (!strcmp(name, programs[i].name))
			return &programs[i];
	}
	return NULL;
}

bool shell_program_is_shell(const char *name)
{
	static const char *const shells[] = { "sh",   "bash", "dash",  "ash", "zsh",  "ksh",
		                              "mksh", "fish", "rbash", "csh", "tcsh", "yash" };

	return listed(name, shells, CORRAL_COUNT(shells));
}

bool shell_program_is_quiet(const char *name)
{
	static const char *const quiet[] = {
		":",        "[",      "alias",   "break", "cd",    "continue", "declare", "exit",
		"export",   "false",  "getopts", "local", "popd",  "pushd",    "pwd",     "read",
		"readonly", "return", "set",     "shift", "shopt", "test",     "trap",    "true",
		"typeset",  "umask",  "unalias", "unset", "wait",
	};

	return listed(name, quiet, CORRAL_COUNT(quiet));
}

bool shell_program_only_reads(const char *name)
{
	static const char *const readers[] = {
		"[",        "basename", "cat",  "cd",      "cksum",     "cmp",   "cut",     "df",
		"diff",     "dirname",  "du",   "echo",    "egrep",     "fgrep", "file",    "grep",
		"head",     "ls",       "less", "md5sum",  "nl",        "od",    "printf",  "pwd",
		"readlink", "realpath", "rg",   "sha1sum", "sha256sum", "stat",  "strings", "tail",
		"test",     "tr",       "type", "wc",      "which",
	};

	return listed(name, readers, CORRAL_COUNT(readers));
}

bool shell_assignment_matters(const char *assignment)
{
	static const char *const names[] = {
		"BASHOPTS",
		"BASH_ENV",
		"BROWSER",
		"CDPATH",
		"EDITOR",
		"ENV",
		"GCONV_PATH",
		"HOME",
		"IFS",
		"JAVA_TOOL_OPTIONS",
		"JDK_JAVA_OPTIONS",
		"LESSCLOSE",
		"LESSOPEN",
		"MAKEFLAGS",
		"MANPAGER",
		"NODE_OPTIONS",
		"NODE_PATH",
		"PAGER",
		"PATH",
		"PERL5DB",
		"PERL5LIB",
		"PERL5OPT",
		"PROMPT_COMMAND",
		"PS4",
		"PYTHONHOME",
		"PYTHONPATH",
		"PYTHONSTARTUP",
		"RUBYLIB",
		"RUBYOPT",
		"RUSTC_WRAPPER",
		"SHELL",
		"SHELLOPTS",
		"VISUAL",
		"XDG_CONFIG_HOME",
		"_JAVA_OPTIONS",
	};
	static const char *const prefixes[] = { "LD_", "DYLD_", "GIT_", "BASH_FUNC_",
		                                "npm_config_" };
	size_t len = strcspn(assignment, "=+[");

	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], assignment, len))
			return true;
	}
	for (size_t i = 0; i < CORRAL_COUNT(prefixes); i++) {
		if (!strncmp(assignment, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}
