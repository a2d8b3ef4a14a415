#include "kernel/base/suggest.h"

#include <string.h>

#define WORD_MAX 32

static unsigned int min2(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int corral_word_distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 2][WORD_MAX + 2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return 1000;
	for (size_t i = 0; i <= na; i++)
		row[i][0] = (unsigned int)i;
	for (size_t k = 0; k <= nb; k++)
		row[0][k] = (unsigned int)k;
	for (size_t i = 1; i <= na; i++) {
		for (size_t k = 1; k <= nb; k++) {
			unsigned int best = row[i - 1][k - 1] + (a[i - 1] != b[k - 1]);

			best = min2(best, row[i - 1][k] + 1);
			best = min2(best, row[i][k - 1] + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				best = min2(best, row[i - 2][k - 2] + 1);
			row[i][k] = best;
		}
	}
	return row[na][nb];
}

struct corral_guess corral_guess_begin(const char *word)
{
	/* Short words are like many others. */
	return (struct corral_guess) { word, NULL, strlen(word) < 5 ? 2 : 3 };
}

void corral_guess_look(struct corral_guess *g, const char *candidate)
{
	unsigned int distance = corral_word_distance(g->word, candidate);

	if (distance < g->distance) {
		g->distance = distance;
		g->best = candidate;
	}
}
