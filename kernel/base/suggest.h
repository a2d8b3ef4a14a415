/* "Did you mean": how far apart two words are, and which is nearest. */
#ifndef CORRAL_KERNEL_BASE_SUGGEST_H
#define CORRAL_KERNEL_BASE_SUGGEST_H

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; a large number
 * when either is longer than any word of ours. */
unsigned int corral_word_distance(const char *a, const char *b);

/* The candidate that was most likely meant, of all that were looked at. */
struct corral_guess {
	const char *word;
	const char *best; /* NULL: none is like it */
	unsigned int distance;
};
struct corral_guess corral_guess_begin(const char *word);
void corral_guess_look(struct corral_guess *g, const char *candidate);

#endif
