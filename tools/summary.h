/* The receipt for people, on stderr. */
#ifndef CORRAL_TOOLS_SUMMARY_H
#define CORRAL_TOOLS_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/receipt.h"
#include "policy/limits.h"

/* "1.5 GiB"; "?" for what is not known. */
void corral_human_bytes(uint64_t bytes, char *buf, size_t size);

/* "90s", "12m", "5h", "3d": of a time that long, in its greatest unit with two of it. */
void corral_human_age(int64_t ms, char *buf, size_t size);

/* --summary: what contained it, why it ended, what it used, where the time went. */
void corral_summary_print(const struct corral_receipt *r, const struct corral_limits *limits,
                          int exit_status);

/* When corral had a part in the command's end: which limit, and which option moves it; ""
 * otherwise. */
void corral_verdict_text(const struct corral_receipt *r, const struct corral_limits *limits,
                         char *buf, size_t buf_size);
/* The same as one line. */
void corral_verdict_print(const struct corral_receipt *r, const struct corral_limits *limits);

#endif
