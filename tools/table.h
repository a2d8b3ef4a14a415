/* Rows of text in columns, as wide as they need to be. */
#ifndef CORRAL_TOOLS_TABLE_H
#define CORRAL_TOOLS_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define CORRAL_TABLE_COLUMNS_MAX 12

struct corral_table {
	size_t n_columns, n_rows, size;
	char **cells; /* n_rows times n_columns, the first row being the headings */
	int failed;   /* out of memory at some point */
};

void corral_table_init(struct corral_table *t, const char *const *headings, size_t n_columns);
/* All cells of one row, copied; control characters become '?', since guests give some of them. */
void corral_table_add(struct corral_table *t, const char *const *cells);
/* The last column is not filled up. 0 or -ENOMEM. */
int corral_table_print(const struct corral_table *t, FILE *out);
void corral_table_done(struct corral_table *t);

#endif
