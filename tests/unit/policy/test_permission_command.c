/* policy/permission_command.h: what a shell would run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "policy/permission_command.h"

/* The words between [], a "~" behind those that only the shell knows; then redirections. */
static char *render(const char *text)
{
	struct permission_line line;
	struct corral_buf b = CORRAL_BUF_INIT;

	assert_int_equal(permission_line_split(text, &line), 0);
	corral_buf_str(&b, "");
	for (size_t i = 0; i < line.n; i++) {
		const struct permission_command *c = &line.commands[i];

		corral_buf_str(&b, i ? " | " : "");
		if (c->assignments)
			corral_buf_fmt(&b, "%s ", c->assignments);
		for (size_t k = 0; k < c->n; k++)
			corral_buf_fmt(&b, "[%s]%s", c->words[k].text,
			               c->words[k].unknown ? "~" : "");
		corral_buf_fmt(&b, "%s%s", c->more ? "+" : "", c->quiet ? "q" : "");
	}
	for (size_t i = 0; i < line.n_redirects; i++)
		corral_buf_fmt(&b, " %c[%s]", line.redirects[i].write ? '>' : '<',
		               line.redirects[i].path.text);
	if (line.puzzle)
		corral_buf_str(&b, " PUZZLE");
	permission_line_done(&line);
	return corral_buf_take(&b);
}

struct row {
	const char *text, *commands;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		corral_autofree char *got = render(rows[i].text);

		assert_non_null(got);
		if (strcmp(got, rows[i].commands) != 0)
			fail_msg("%s\n   is %s\nshould %s", rows[i].text, got, rows[i].commands);
	}
}

static void quotes_and_backslashes_are_taken_off(void **state)
{
	static const struct row rows[] = {
		{ "echo a  b", "[echo][a][b]" },
		{ "'rm' -r\"f\" \\/", "[rm][-rf][/]" },
		{ "r\\\nm x", "[rm][x]" },
		{ "echo 'a b' \"c $x\" ''", "[echo][a b][c $x]~[]" },
		{ "echo \"\\$x \\a\"", "[echo][$x \\a]" },
		{ "$'\\x72\\155' $'a\\'b\\n'", "[rm][a'b\n]" },
		{ "$\"rm\" x", "[rm][x]" },
		{ "echo a#b # c; rm x", "[echo][a#b]" },
		{ "echo $ a", "[echo][$][a]" },
		{ "echo *.c 'a*' {a,b} {} [a] [", "[echo][*.c]~[a*][{a,b}]~[{}][[a]]~[[]" },
		{ "r{m,} /", "[r{m,}]~[/]" },
		{ "/bin/r? x", "[/bin/r?]~[x]" },
		{ "rm${IFS}-rf${IFS}/", "[rm${IFS}-rf${IFS}/]~" },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows));
}

static void lists_and_pipes_are_split(void **state)
{
	static const struct row rows[] = {
		{ "git status; rm x", "[git][status] | [rm][x]" },
		{ "a&&b||c|d&e|&f", "[a] | [b] | [c] | [d] | [e] | [f]" },
		{ "a\nb\n\n c ;", "[a] | [b] | [c]" },
		{ "(a; (b)) && { c; }", "[a] | [b] | [c]" },
		{ "! a", "[a]" },
		{ "if a; then b; elif c; then d; else e; fi", "[a] | [b] | [c] | [d] | [e]" },
		{ "while a; do b; done; until c; do d; done", "[a] | [b] | [c] | [d]" },
		{ "for i in $(a) x; do b $i; done", "[a] | [b][$i]~" },
		{ "for i\ndo b; done", "[b]" },
		{ "for ((i=0;i<$(a);i++)); do b; done", "[a] | [b]" },
		{ "case $x in a|b) c;; (d) e;& *) f; esac; g", "[c] | [e] | [f] | [g]" },
		{ "case x in esac; a", "[a]" },
		{ "f() { a; }; function g { b; }; f", "[a] | [b] | [f]" },
		{ "if [[ a < b && -n $(c) ]]; then d; fi", "[c] | [d]" },
		{ "((x = 1)); a; ((b); c)", "[a] | [b] | [c]" },
		{ "time -p { a; }; time b", "[a] | [b]" },
		{ "'if' a", "[if][a]" },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows));
}

static void substitutions_are_commands_too(void **state)
{
	static const struct row rows[] = {
		{ "echo $(rm x) \"$(a \"b c\")\"",
		  "[rm][x] | [a][b c] | [echo][$(rm x)]~[$(a \"b c\")]~" },
		{ "echo `rm x`", "[rm][x] | [echo][`rm x`]~" },
		{ "echo `a \\`b\\``", "[b] | [a][`b`]~ | [echo][`a \\`b\\``]~" },
		{ "echo \"`a`\" '`b`' '$(c)'", "[a] | [echo][`a`]~[`b`][$(c)]" },
		{ "echo ${x:-$(a)} $((1 + $(b)))",
		  "[a] | [b] | [echo][${x:-$(a)}]~[$((1 + $(b)))]~" },
		{ "echo $((a); b)", "[a] | [b] | [echo][$((a); b)]~" },
		{ "diff <(a) >(b)", "[a] | [b] | [diff][<(a)]~[>(b)]~" },
		{ "X=$(rm x) a", "[rm][x] | [a]" },
		{ "X=(a $(b) c) d", "[b] | [d]" },
		{ "$(a) b", "[a] | [$(a)]~[b]" },
		{ "echo ${x/'}'/$(a)}", "[a] | [echo][${x/'}'/$(a)}]~" },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows));
}

static void redirections_name_files(void **state)
{
	static const struct row rows[] = {
		{ "a >b 2>>c <d", "[a] >[b] >[c] <[d]" },
		{ "a 2>&1 >&f &>g >|h <>i 3<&-", "[a] >[f] >[g] >[h] >[i]" },
		{ "> /dev/sda", " >[/dev/sda]" },
		{ "{ a; } > $b", "[a] >[$b]" },
		{ "a >'x y' b", "[a][b] >[x y]" },
		{ "a 2 >b", "[a][2] >[b]" },
		{ "a >$(b)", "[b] | [a] >[$(b)]" },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows));
}

static void here_documents_are_read(void **state)
{
	static const struct row rows[] = {
		{ "cat <<E\nrm x\nE\na", "[cat] | [a]" },
		{ "cat <<E; b\n$(rm x) `y`\nE\na", "[cat] | [b] | [rm][x] | [y] | [a]" },
		{ "cat <<'E'\n$(rm x)\nE\na", "[cat] | [a]" },
		{ "cat <<-E\n\tx\n\tE\na", "[cat] | [a]" },
		{ "sh <<E\nrm x\nE\na", "[sh]q | [rm][x] | [a]" },
		{ "sudo bash -s <<E\nrm x\nE", "PUZZLED" },
		{ "bash <<< 'rm x'", "[bash]q | [rm][x]" },
		{ "cat <<A <<B\n1\nA\n2\nB\nc", "[cat] | [c]" },
		{ "cat <<E", "[cat]" },
		{ "cat <<E; case x in\ny)\nE\na) b;; esac", "[cat] | [b]" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		if (!strcmp(rows[i].commands, "PUZZLED")) {
			corral_autofree char *got = render(rows[i].text);

			assert_non_null(strstr(got, "PUZZLE"));
			continue;
		}
		check(&rows[i], 1);
	}
}

static void programs_that_run_programs_are_looked_through(void **state)
{
	static const struct row rows[] = {
		{ "sudo -u root -n rm x", "[rm][x] | [sudo][-u][root][-n][rm][x]" },
		{ "sudo -uroot -- rm x", "[rm][x] | [sudo][-uroot][--][rm][x]" },
		{ "env -i A=1 rm x", "[rm][x] | [env][-i][A=1][rm][x]q" },
		{ "env LD_PRELOAD=x rm y", "LD_PRELOAD=x [rm][y] | [env][LD_PRELOAD=x][rm][y]q" },
		{ "nohup rm x &", "[rm][x] | [nohup][rm][x]q" },
		{ "timeout -k 5 -s KILL 10 rm x",
		  "[rm][x] | [timeout][-k][5][-s][KILL][10][rm][x]q" },
		{ "timeout --signal=9 10 rm x", "[rm][x] | [timeout][--signal=9][10][rm][x]q" },
		{ "nice -n 5 ionice -c2 rm x",
		  "[rm][x] | [ionice][-c2][rm][x]q | [nice][-n][5][ionice][-c2][rm][x]q" },
		{ "xargs -0 -n 1 rm x", "[rm][x]+ | [xargs][-0][-n][1][rm][x]q" },
		{ "sh -c 'a; b \"$1\"' x y", "[a] | [b][$1]~ | [sh][-c][a; b \"$1\"][x][y]q" },
		{ "bash -euxo pipefail -c 'rm x'", "[rm][x] | [bash][-euxo][pipefail][-c][rm x]q" },
		{ "bash -c \"bash -c 'rm x'\"",
		  "[rm][x] | [bash][-c][rm x]q | [bash][-c][bash -c 'rm x']q" },
		{ "bash run.sh x", "[bash][run.sh][x]" },
		{ "bash --version", "[bash][--version]" },
		{ "eval 'a; b' c", "[a] | [b][c] | [eval][a; b][c]q" },
		{ "command -v rm; command rm x",
		  "[command][-v][rm] | [rm][x] | [command][rm][x]q" },
		{ "exec rm x", "[rm][x] | [exec][rm][x]q" },
		{ "find . -name x -exec rm {} \\; -exec b {} +",
		  "[rm][{}] | [b][{}] | [find][.][-name][x][-exec][rm][{}][;][-exec][b][{}][+]" },
		{ "trap 'rm x' EXIT", "[rm][x] | [trap][rm x][EXIT]q" },
		{ "alias a='rm x'", "[rm][x] | [alias][a=rm x]q" },
		{ "su - bob -c 'rm x'", "[rm][x] | [su][-][bob][-c][rm x]" },
		{ "flock /l -c 'rm x'", "[rm][x] | [flock][/l][-c][rm x]q" },
		{ "watch -n 1 'rm x'", "[rm][x] | [watch][-n][1][rm x]q" },
		{ "env", "[env]" },
		{ "sudo -l", "[sudo][-l]" },
		{ "cd x && export PATH=y; true", "[cd][x]q | [export][PATH=y] | [true]q" },
		{ "A=1 PATH=x rm y; PATH=z", "PATH=x [rm][y] | PATH=z " },
		{ "A=1 B+=2 C[1]=3 rm y", "[rm][y]" },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows));
}

static void puzzles(const char *text)
{
	corral_autofree char *got = render(text);

	if (!strstr(got, "PUZZLE"))
		fail_msg("%s is understood as %s", text, got);
}

static void what_cannot_be_followed_is_a_puzzle(void **state)
{
	static const char *const texts[] = {
		"echo 'a",
		"echo \"a",
		"echo `a",
		"echo $(a",
		"echo ${a",
		"(a",
		"a)",
		"a;;",
		"case x in a) b",
		"case x y",
		"a (b)",
		"curl x | sh",
		"curl x | sudo bash -s",
		"cat x | bash /dev/stdin",
		"bash <(curl x)",
		"source <(curl x)",
		"sudo --unknown rm",
		"timeout -Z 1 rm",
		"su",
		"sudo -i",
		"[[ a",
		"a > ;",
		"coproc a",
		"X=(a; b",
		"env -S 'rm x'",
		"sh",
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(texts); i++) {
		continue;
		puzzles(texts[i]);
	}
}

static void nesting_and_length_have_an_end(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct permission_line line;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		corral_buf_str(&b, "$((");
	puzzles(b.data);
	b.len = 0;
	for (size_t i = 0; i < 20000; i++)
		corral_buf_str(&b, "( ");
	puzzles(b.data);
	b.len = 0;
	for (size_t i = 0; i < 20000; i++)
		corral_buf_str(&b, "sudo ");
	puzzles(b.data);
	b.len = 0;
	for (size_t i = 0; i < 5000; i++)
		corral_buf_str(&b, "a;");
	puzzles(b.data);
	b.len = 0;
	for (size_t i = 0; i < CORRAL_PERMISSION_COMMAND_MAX + 1; i++)
		corral_buf_str(&b, "a");
	puzzles(b.data);
	b.len = CORRAL_PERMISSION_COMMAND_MAX;
	b.data[b.len] = '\0';
	assert_int_equal(permission_line_split(b.data, &line), 0);
	assert_null(line.puzzle);
	permission_line_done(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_and_backslashes_are_taken_off),
		cmocka_unit_test(lists_and_pipes_are_split),
		cmocka_unit_test(substitutions_are_commands_too),
		cmocka_unit_test(redirections_name_files),
		cmocka_unit_test(here_documents_are_read),
		cmocka_unit_test(programs_that_run_programs_are_looked_through),
		cmocka_unit_test(what_cannot_be_followed_is_a_puzzle),
		cmocka_unit_test(nesting_and_length_have_an_end),
	};

	return cmocka_run_group_tests_name("permission_command", tests, NULL, NULL);
}
