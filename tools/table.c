#include "tools/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/message.h"

void corral_table_init(struct corral_table *t, const char *const *headings, size_t n_columns)
{
	memset(t, 0, sizeof(*t));
	t->n_columns = n_columns < CORRAL_TABLE_COLUMNS_MAX ? n_columns : CORRAL_TABLE_COLUMNS_MAX;
	corral_table_add(t, headings);
}

void corral_table_add(struct corral_table *t, const char *const *cells)
{
	size_t at = t->n_rows * t->n_columns;

	if (at + t->n_columns > t->size) {
		size_t size = t->size ? 2 * t->size : 16 * t->n_columns;
		char **more = reallocarray(t->cells, size, sizeof(*more));

		if (!more) {
			t->failed = 1;
			return;
		}
		t->cells = more;
		t->size = size;
	}
	for (size_t i = 0; i < t->n_columns; i++) {
		t->cells[at + i] = strdup(cells[i]);
		if (t->cells[at + i])
			corral_text_clean(t->cells[at + i]);
		else
			t->failed = 1;
	}
	t->n_rows++;
}

/* As a terminal counts: bytes that begin a character. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

int corral_table_print(const struct corral_table *t, FILE *out)
{
	size_t widths[CORRAL_TABLE_COLUMNS_MAX] = { 0 };

	if (t->failed)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++) {
		size_t w = width(t->cells[i]);

		if (w > widths[i % t->n_columns])
			widths[i % t->n_columns] = w;
	}
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++) {
		size_t column = i % t->n_columns;

		if (column + 1 == t->n_columns)
			(void)fprintf(out, "%s\n", t->cells[i]);
		else
			(void)fprintf(out, "%s%*s", t->cells[i],
			              (int)(widths[column] - width(t->cells[i]) + 2), "");
	}
	return 0;
}

void corral_table_done(struct corral_table *t)
{
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		free(t->cells[i]);
	free(t->cells);
	memset(t, 0, sizeof(*t));
}
