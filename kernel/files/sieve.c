#include "kernel/files/sieve.h"

#include <string.h>

#include "kernel/base/cleanup.h"

static const char *const build_dirs[] = {
	".eggs", ".git",        ".mypy_cache", ".pytest_cache", ".ruff_cache",  ".tox",
	".venv", "__pycache__", "build",       "dist",          "node_modules", "venv",
};

int files_sieve_init(struct files_sieve *s, const struct corral_files_grep *grep,
                     struct corral_error *err)
{
	*s = (struct files_sieve) { .flags = grep->flags };
	if (!grep->glob)
		return 0;
	s->by_path = strchr(grep->glob, '/') != NULL;
	return files_glob_compile(grep->glob, FILES_GLOB_HIDDEN, &s->glob, err);
}

void files_sieve_done(struct files_sieve *s)
{
	files_glob_free(s->glob);
	s->glob = NULL;
}

bool files_sieve_passes(const struct files_sieve *s, const char *path, const char *below,
                        const char *name, bool is_dir, const struct files_ignore *ignore)
{
	if (s->flags & CORRAL_FILES_IGNORE_HIDDEN) {
		if (name[0] == '.')
			return false;
		for (size_t i = 0; is_dir && i < CORRAL_COUNT(build_dirs); i++)
			if (!strcmp(name, build_dirs[i]))
				return false;
	}
	if (!is_dir && s->glob && !files_glob_path(s->glob, s->by_path ? below : name))
		return false;
	return !files_ignore_has(ignore, path, name, is_dir);
}
