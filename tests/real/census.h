/*
 * What a machine holds of our making: counted before and after, so that a test can say that nothing
 * is left.
 */
#ifndef CORRAL_TESTS_REAL_CENSUS_H
#define CORRAL_TESTS_REAL_CENSUS_H

#include <stdbool.h>
#include <sys/types.h>

enum census_kind { MOUNTS, CGROUPS, NET_NAMESPACES, PROCESSES, DESCRIPTORS, RUNTIME_FILES, KINDS };

struct census {
	long count[KINDS];
	long net_slab; /* network namespaces that the kernel holds; -1: not to be seen here */
	char last[KINDS][256]; /* one of each kind, to name in a failure */
};

/*
 * Makes the test the reaper of its descendants, so that what outlives a killed caller is found
 * among its own children, whatever else runs on the machine. False, and said, where it cannot.
 */
bool census_adopt(void);
void census_take(struct census *c);
/* Fails the test unless there is as much as before, or less, within five seconds: the kernel takes
 * namespaces and cgroups apart behind everybody's back. Reaps. */
void assert_nothing_left(const struct census *before);
void census_reap(void);
/* Whether this process is among those that pid descends from. */
bool census_is_descendant(pid_t pid);

#endif
