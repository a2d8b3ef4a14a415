#include "tools/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "tools/write_all.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int corral_words_write(const struct corral_word_list *lists, size_t n_lists, int *ret_fd,
                       struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	int r;

	for (size_t i = 0; i < n_lists; i++)
		for (size_t k = 0; k < lists[i].n; k++)
			corral_buf_add(&b, lists[i].words[k], strlen(lists[i].words[k]) + 1);
	if (b.failed)
		return corral_error_sys(err, ENOMEM, "collect the command's words");
	if (b.len > CORRAL_WORDS_MAX)
		return corral_error_set(err, E2BIG,
		                        "arguments and environment of %zu bytes: at most %zu",
		                        b.len, CORRAL_WORDS_MAX);
	fd = memfd_create("corral-words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return corral_error_sys(err, errno, "memfd_create");
	r = corral_write_all(fd, b.data ? b.data : "", b.len);
	if (r < 0)
		return corral_error_sys(err, -r, "write the command's words");
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return corral_error_sys(err, errno, "seal the command's words");
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int corral_words_read(int fd, char ***ret_words, size_t *ret_n, struct corral_error *err)
{
	struct stat st;
	size_t len, n = 0;
	char **words, *text;

	/* What could still change could also make us wait, or be cut short below us. */
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < 0 ||
	    (uint64_t)st.st_size > CORRAL_WORDS_MAX)
		return corral_error_set(
		        err, EPROTO,
		        "the command's words are not in a sealed file of at most %zu bytes",
		        CORRAL_WORDS_MAX);
	len = (size_t)st.st_size;
	/* A word has at least its NUL. */
	words = malloc((len + 1) * sizeof(*words) + len);
	if (!words)
		return corral_error_sys(err, ENOMEM, "read the command's words");
	text = (char *)(words + len + 1);
	if (pread(fd, text, len, 0) != (ssize_t)len || (len && text[len - 1])) {
		free(words);
		return corral_error_set(err, EPROTO, "the command's words do not end");
	}
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		words[n++] = text + at;
	words[n] = NULL;
	*ret_words = words;
	*ret_n = n;
	return 0;
}

void corral_words_line(char *const *argv, char *buf, size_t size)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	bool line = argv[0] && argv[1] && argv[2] && !argv[3] &&
	            (!strcmp(argv[0], "/bin/sh") || !strcmp(argv[0], "sh")) &&
	            !strcmp(argv[1], "-c");
	size_t len;

	for (size_t i = line ? 2 : 0; argv[i] && text.len < size; i++) {
		if (text.len)
			corral_buf_str(&text, " ");
		corral_utf8_add(&text, argv[i], strnlen(argv[i], size));
	}
	buf[0] = '\0';
	if (text.failed || !text.data)
		return;
	len = text.len < size ? text.len : size - 1;
	while (len && len < text.len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
		len--;
	memcpy(buf, text.data, len);
	buf[len] = '\0';
}
