#include "kernel/files/ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/glob.h"
#include "kernel/files/internal.h"

#define IGNORE_BYTES_MAX (1u << 20)
#define IGNORE_RULES_MAX 10000

struct rule {
	struct files_glob *glob;
	const char *suffix; /* the pattern is "*" and this: most are */
	bool negated, dirs_only, by_path;
};

struct files_ignore {
	struct files_ignore *above;
	size_t base;
	struct rule *rules;
	size_t n;
};

static int add_rule(struct files_ignore *i, char *line)
{
	struct rule rule = { 0 };
	struct rule *more;
	size_t len = strlen(line);
	int r;

	if (len && line[len - 1] == '\r')
		line[--len] = '\0';
	while (len && line[len - 1] == ' ' && (len < 2 || line[len - 2] != '\\'))
		line[--len] = '\0';
	if (!len || line[0] == '#')
		return 0;
	if (line[0] == '!') {
		rule.negated = true;
		line++;
		len--;
	}
	if (len && line[len - 1] == '/') {
		rule.dirs_only = true;
		line[--len] = '\0';
	}
	rule.by_path = strchr(line, '/') != NULL;
	if (i->n == IGNORE_RULES_MAX)
		return 0;
	r = files_glob_compile(line, FILES_GLOB_HIDDEN | FILES_GLOB_NO_BRACES, &rule.glob, NULL);
	/* What is no pattern excludes nothing. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (!rule.by_path && line[0] == '*' && line[1] && !strpbrk(line + 1, "*?[\\"))
		rule.suffix = rule.glob->texts[0] + 1;
	if (!(i->n & (i->n - 1))) {
		more = reallocarray(i->rules, i->n ? 2 * i->n : 1, sizeof(*i->rules));
		if (!more) {
			files_glob_free(rule.glob);
			return -ENOMEM;
		}
		i->rules = more;
	}
	i->rules[i->n++] = rule;
	return 0;
}

static void level_free(struct files_ignore *i)
{
	for (size_t k = 0; k < i->n; k++)
		files_glob_free(i->rules[k].glob);
	free(i->rules);
	free(i);
}

void files_ignore_free(struct files_ignore *i, const struct files_ignore *above)
{
	while (i && i != above) {
		struct files_ignore *next = i->above;

		level_free(i);
		i = next;
	}
}

int files_ignore_parse(const char *text, size_t len, size_t base, struct files_ignore *above,
                       struct files_ignore **ret)
{
	corral_autofree char *copy = NULL;
	struct files_ignore *i;
	int r = 0;

	*ret = above;
	if (!len || len > IGNORE_BYTES_MAX)
		return 0;
	copy = malloc(len + 1);
	i = calloc(1, sizeof(*i));
	if (!copy || !i) {
		free(i);
		return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	i->above = above;
	i->base = base;
	for (char *rest = copy, *line; r == 0 && (line = strsep(&rest, "\n"));)
		r = add_rule(i, line);
	if (r < 0) {
		level_free(i);
		return r;
	}
	*ret = i;
	return 0;
}

int files_ignore_load(int dir_fd, size_t base, struct files_ignore *above,
                      struct files_ignore **ret)
{
	corral_autofd int fd = openat(dir_fd, ".gitignore",
	                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct stat st;

	*ret = above;
	/* Unreadable, strange or huge ones say nothing. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    corral_buf_read_fd(&text, fd, IGNORE_BYTES_MAX) < 0)
		return 0;
	return files_ignore_parse(text.data, text.len, base, above, ret);
}

static bool rule_has(const struct rule *rule, const char *path, const char *name)
{
	if (rule->suffix) {
		size_t len = strlen(name), end = strlen(rule->suffix);

		return len >= end && !memcmp(name + len - end, rule->suffix, end);
	}
	return files_glob_path(rule->glob, rule->by_path ? path : name);
}

bool files_ignore_has(const struct files_ignore *i, const char *path, const char *name, bool is_dir)
{
	for (; i; i = i->above) {
		for (size_t k = i->n; k-- > 0;) {
			const struct rule *rule = &i->rules[k];

			if ((!rule->dirs_only || is_dir) && rule_has(rule, path + i->base, name))
				return !rule->negated;
		}
	}
	return false;
}
