/*
 * What of the host's /etc a program needs to run, and no more: the loader's cache, alternatives,
 * certificates, a few tables. Everything else in the guest's /etc is composed. No keys, no
 * accounts, no machine identity.
 */
#ifndef CORRAL_KERNEL_ETC_H
#define CORRAL_KERNEL_ETC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORRAL_ETC_MAX 32

struct corral_etc {
	const char *bind[CORRAL_ETC_MAX]; /* paths that exist on this host, each the same inside */
	bool bind_is_dir[CORRAL_ETC_MAX];
	unsigned int n_bind;
	char localtime[96];       /* where /etc/localtime points to below /usr, or "" */
	char top_links[8][2][24]; /* "/bin" -> "usr/bin" ... as on this host */
	unsigned int n_top_links;
	const char *top_dirs[8]; /* "/lib64" where it is a directory of its own */
	unsigned int n_top_dirs;
};

/* Looks at this host; a few stats and readlinks. */
void corral_etc_scan(struct corral_etc *ret);

#endif
