#include "backends/guard_permission.h"

#include <errno.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

static enum corral_permission_operation operation_of(enum corral_backend_op op)
{
	switch (op) {
	case CORRAL_BACKEND_OP_READ:
		return CORRAL_PERMISSION_READ;
	case CORRAL_BACKEND_OP_WRITE:
		return CORRAL_PERMISSION_WRITE;
	case CORRAL_BACKEND_OP_EDIT:
		return CORRAL_PERMISSION_EDIT;
	case CORRAL_BACKEND_OP_LS:
		return CORRAL_PERMISSION_LS;
	case CORRAL_BACKEND_OP_GLOB:
		return CORRAL_PERMISSION_GLOB;
	case CORRAL_BACKEND_OP_GREP:
		return CORRAL_PERMISSION_GREP;
	case CORRAL_BACKEND_OP_EXECUTE:
		break;
	}
	return CORRAL_PERMISSION_EXECUTE;
}

static int ask(const struct corral_permission_guard *g, enum corral_permission_operation operation,
               const struct corral_permission_target *target, struct corral_error *err)
{
	return g->ask ? corral_permission_check(g->checker, operation, target, NULL, err)
	              : corral_permission_enforce(g->checker, operation, target, err);
}

static int check_command(const struct corral_permission_guard *g, const char *command,
                         struct corral_error *err)
{
	const struct corral_permission_target target = { command, NULL, NULL };
	int r = ask(g, CORRAL_PERMISSION_EXECUTE, &target, err);

	if (r < 0 || !g->place.work_dir)
		return r;
	return corral_permission_inspect_command(g->checker, command, &g->place, err);
}

static int check(void *ctx, enum corral_backend_op op, const char *written, const char *resolved,
                 struct corral_error *err)
{
	const struct corral_permission_guard *g = ctx;
	const enum corral_permission_operation operation = operation_of(op);
	struct corral_permission_target target = { written, NULL, resolved };
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;

	if (operation == CORRAL_PERMISSION_EXECUTE)
		return check_command(g, written, err);
	if (!written) {
		target = (struct corral_permission_target) { resolved, resolved, resolved };
		return corral_permission_visible(g->checker, operation, &target)
		               ? 0
		               : corral_error_set(err, EACCES, "Permission denied");
	}
	if (g->place.work_dir) {
		corral_permission_path_resolve(g->place.work_dir, written, &path);
		if (path.failed)
			return corral_error_sys(err, ENOMEM, "permissions");
		target.resolved = path.data;
	}
	return ask(g, operation, &target, err);
}

struct corral_backend_guard corral_permission_guard(struct corral_permission_guard *g)
{
	return (struct corral_backend_guard) { .check = check, .ctx = g };
}
