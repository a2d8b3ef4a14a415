/* The receipt for programs: one JSON object on one line. */
#ifndef CORRAL_TOOLS_RECEIPT_JSON_H
#define CORRAL_TOOLS_RECEIPT_JSON_H

#include <jansson.h>

#include "kernel/base/error.h"
#include "kernel/receipt.h"

/*
 * Writes r, and what corral exits with, to fd. failure: NULL, or why there is less of a receipt
 * than expected; then r may be NULL.
 */
int corral_receipt_json_write(int fd, const struct corral_receipt *r, int exit_status,
                              const struct corral_error *failure, struct corral_error *err);

/* The object alone, the caller's; NULL without memory. */
json_t *corral_receipt_json(const struct corral_receipt *r, int exit_status,
                            const struct corral_error *failure);
/* Such an object as its line. */
int corral_receipt_json_print(int fd, const json_t *receipt, struct corral_error *err);

#endif
