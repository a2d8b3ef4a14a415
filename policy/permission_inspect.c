/* Paths that a command names, held against the rules of read and write. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_command.h"
#include "policy/permission_internal.h"
#include "policy/permission_shell.h"

enum use {
	USE_READ = 1u << 0,
	USE_WRITE = 1u << 1,
};

struct inspection {
	const struct corral_permission_checker *checker;
	const struct corral_permission_place *place;
	struct corral_error *err;
};

/* Only what a rule denies counts: a default says nothing about files that commands may use. */
static int denied(const struct inspection *n, enum corral_permission_operation operation,
                  const char *written, const char *resolved, const char *real)
{
	const struct corral_permission_target target = { written, resolved, real };
	struct corral_permission_decision d;
	int r = corral_permission_decide(n->checker, operation, &target, &d, n->err);

	if (r < 0)
		return r;
	return d.by_rule && d.action == CORRAL_PERMISSION_DENY;
}

static int used(const struct inspection *n, unsigned int uses, const char *written,
                const char *resolved, const char *real)
{
	static const struct {
		enum use use;
		enum corral_permission_operation operation;
	} kinds[] = { { USE_READ, CORRAL_PERMISSION_READ },
		      { USE_WRITE, CORRAL_PERMISSION_WRITE } };

	for (size_t i = 0; i < CORRAL_COUNT(kinds); i++) {
		int r;

		if (!(uses & kinds[i].use))
			continue;
		r = denied(n, kinds[i].operation, written, resolved, real);
		if (r < 0)
			return r;
		if (r)
			return corral_error_set(
			        n->err, EACCES,
			        "Permission denied: command references '%.300s', which is denied "
			        "for %s",
			        written, corral_permission_operation_name(kinds[i].operation));
	}
	return 0;
}

/* With the home directory for "~" and $HOME in front. */
static void resolve(const struct corral_permission_place *place, const char *path,
                    struct corral_buf *ret)
{
	static const char *const homes[] = { "~", "$HOME", "${HOME}" };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	for (size_t i = 0; place->home && i < CORRAL_COUNT(homes); i++) {
		size_t len = strlen(homes[i]);

		if (!strncmp(path, homes[i], len) && (!path[len] || path[len] == '/')) {
			corral_buf_str(&b, place->home);
			path += len;
			break;
		}
	}
	corral_buf_str(&b, path);
	if (b.failed)
		ret->failed = true;
	else
		corral_permission_path_resolve(place->work_dir, b.data, ret);
}

static int path_inspect(const struct inspection *n, const char *path, unsigned int uses)
{
	corral_autobuf struct corral_buf resolved = CORRAL_BUF_INIT, below = CORRAL_BUF_INIT;
	corral_autofree char *real = NULL;
	int r;

	if (!*path)
		return 0;
	resolve(n->place, path, &resolved);
	if (!resolved.failed)
		corral_buf_fmt(&below, "%s/", resolved.data);
	if (resolved.failed || below.failed)
		return corral_error_sys(n->err, ENOMEM, "permissions");
	if (n->place->real)
		real = n->place->real(n->place->ctx, resolved.data);
	r = used(n, uses, path, resolved.data, real);
	/* Whoever names a directory means what is in it: "rm -r /etc", where /etc/ and stars are
	 * denied. */
	return r < 0 ? r : used(n, uses, path, below.data, NULL);
}

/* A word, and what stands behind "=" in it: "of=/dev/sda", "--file=.env". */
static int word_inspect(const struct inspection *n, const char *word, unsigned int uses)
{
	const char *equals = strchr(word, '=');
	int r = path_inspect(n, word, uses);

	return r < 0 || !equals ? r : path_inspect(n, equals + 1, uses);
}

/* The program itself is read, and so is what is given to one that does nothing else. */
static int command_inspect(const struct inspection *n, const struct permission_command *c)
{
	unsigned int uses = USE_READ;
	int r = 0;

	for (size_t i = 0; i < c->n && r == 0; i++) {
		r = word_inspect(n, c->words[i].text, uses);
		if (i == 0 && !shell_program_only_reads(shell_base_name(c->words[0].text)))
			uses |= USE_WRITE;
	}
	return r;
}

/* What was not understood is cut at blanks and operators; quotes do not count. */
static int pieces_inspect(const struct inspection *n, const char *command)
{
	static const char cuts[] = " \t\n;&|<>()`";

	while (*command) {
		corral_autobuf struct corral_buf piece = CORRAL_BUF_INIT;
		size_t len;
		int r;

		command += strspn(command, cuts);
		len = strcspn(command, cuts);
		corral_buf_str(&piece, "");
		for (size_t i = 0; i < len; i++) {
			if (!strchr("'\"\\", command[i]))
				corral_buf_add(&piece, command + i, 1);
		}
		if (piece.failed)
			return corral_error_sys(n->err, ENOMEM, "permissions");
		r = word_inspect(n, piece.data, USE_READ | USE_WRITE);
		if (r < 0)
			return r;
		command += len;
	}
	return 0;
}

int corral_permission_inspect_command(const struct corral_permission_checker *c,
                                      const char *command,
                                      const struct corral_permission_place *place,
                                      struct corral_error *err)
{
	corral_auto(permission_line_done) struct permission_line line = { 0 };
	const struct inspection n = { c, place, err };
	int r;

	if (permission_line_split(command, &line) < 0)
		return corral_error_sys(err, ENOMEM, "permissions");
	for (size_t i = 0; i < line.n; i++) {
		r = command_inspect(&n, &line.commands[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < line.n_redirects; i++) {
		r = path_inspect(&n, line.redirects[i].path.text,
		                 line.redirects[i].write ? USE_WRITE : USE_READ);
		if (r < 0)
			return r;
	}
	return line.puzzle ? pieces_inspect(&n, command) : 0;
}
