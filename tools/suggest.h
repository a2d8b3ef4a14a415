/* "Did you mean": how far apart two words are. */
#ifndef CORRAL_TOOLS_SUGGEST_H
#define CORRAL_TOOLS_SUGGEST_H

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; a large number
 * when either is longer than any word of ours. */
unsigned int corral_word_distance(const char *a, const char *b);

/* The farthest at which a word of this length is still offered. */
unsigned int corral_word_distance_max(const char *word);

#endif
