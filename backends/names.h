/*
 * Inside the backends: paths as text. Virtual paths, which are rooted at "/" and have no links; and
 * the results of a backend whose paths somebody else knows by other names.
 */
#ifndef CORRAL_BACKENDS_NAMES_H
#define CORRAL_BACKENDS_NAMES_H

#include "backends/backend.h"

/* "/a/b" of "a//./b/", "/" of all that names the root. -EINVAL for a ".." in it, -ENAMETOOLONG. */
int corral_names_virtual(const char *path, char ret[CORRAL_FILES_PATH_MAX],
                         struct corral_error *err);

/* What comes behind the directory, "" for itself; NULL when the path is not beneath it. Both are
 * absolute and without doubled or trailing slashes. */
const char *corral_names_below(const char *dir, const char *path);

/*
 * Every path below becomes to + "/" + what it has behind `from`, which may be "" for relative ones.
 * Those that do not begin so are left out. -ENOMEM.
 */
int corral_names_rows(struct corral_files_rows *rows, const char *from, const char *to);
int corral_names_matches(struct corral_files_matches *found, const char *from, const char *to);

/* In the error's text the path that was sent on becomes the one that was written. */
void corral_names_error(struct corral_error *err, const char *sent, const char *written);

/* Room for a path made of two; -ENAMETOOLONG. An empty part needs no slash. */
int corral_names_join(const char *dir, const char *rest, char ret[CORRAL_FILES_PATH_MAX]);

#endif
