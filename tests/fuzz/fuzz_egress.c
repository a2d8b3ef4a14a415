/*
 * Entries of an allowlist, one a line: an error that says something, or a list whose rules can be
 * held against any address and name.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/egress.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 32

static void check_entry(const struct corral_egress *e, const struct corral_egress_entry *entry)
{
	char text[CORRAL_ADDRESS_TEXT_SIZE];
	struct corral_prefix again = { .len = 0 }, holes[64];
	int n;

	assert(entry->ports.n == 1 || entry->ports.n == 2);
	for (uint8_t i = 0; i < entry->ports.n; i++) {
		assert(entry->ports.ranges[i].first >= 1);
		assert(entry->ports.ranges[i].first <= entry->ports.ranges[i].last);
		assert(entry->ports.ranges[i].protocols);
	}
	if (entry->kind == CORRAL_EGRESS_ADDRESS) {
		assert(corral_address_parse(corral_prefix_text(&entry->prefix, text), &again,
		                            NULL) == 0);
		assert(!memcmp(&again, &entry->prefix, sizeof(again)));
		n = corral_egress_holes(e, &entry->prefix, holes, 64);
		for (int i = 0; i < n; i++)
			assert(corral_prefix_has(&entry->prefix, &holes[i].address));
		return;
	}
	assert(entry->name[0] && strlen(entry->name) < sizeof(entry->name));
	for (const char *c = entry->name; *c; c++)
		assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", *c));
	if (entry->kind == CORRAL_EGRESS_NAME)
		assert(corral_egress_name_sets(e, entry->name) >> entry->set & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *lines[LINES_MAX], *rest;
	struct corral_egress *e = NULL;
	struct corral_error err = { 0 };
	size_t n = 0;
	int r;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (char *line = strtok_r(copy, "\n", &rest); line && n < LINES_MAX;
	     line = strtok_r(NULL, "\n", &rest))
		lines[n++] = line;
	r = corral_egress_compile(lines, n, &e, &err);
	assert((r == 0) == (err.code == 0));
	assert(r == 0 || !strncmp(err.text, "allow[", 6));
	for (size_t i = 0; r == 0 && i < e->n_entries; i++)
		check_entry(e, &e->entries[i]);
	corral_egress_free(e);
	free(copy);
	return 0;
}
