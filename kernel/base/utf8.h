/*
 * UTF-8 as Unicode chapter 3.9 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef CORRAL_KERNEL_BASE_UTF8_H
#define CORRAL_KERNEL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

/* The sequence at data: its length, or minus the number of bytes that make one U+FFFD. len > 0. */
int corral_utf8_step(const unsigned char *data, size_t len);
/* The character at the start of a text and its length in bytes; bytes that are no UTF-8 get numbers
 * that no character has, one each. The end of the text is character 0. */
uint32_t corral_utf8_character(const char *text, size_t *ret_len);
bool corral_utf8_valid(const char *data, size_t len);
/* Appends with U+FFFD for what is invalid; an empty text makes sure that there is memory. */
void corral_utf8_add(struct corral_buf *b, const char *data, size_t len);

#endif
