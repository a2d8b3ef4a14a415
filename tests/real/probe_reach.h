/* The deeds of tests/real/probe_reach.c, for the table in tests/real/probe.c. */
#ifndef CORRAL_TESTS_REAL_PROBE_REACH_H
#define CORRAL_TESTS_REAL_PROBE_REACH_H

int corral_probe_reach(char **argv);
int corral_probe_parent(char **argv);
int corral_probe_read(char **argv);
int corral_probe_harm(char **argv);
int corral_probe_birth(char **argv);
int corral_probe_network(char **argv);
int corral_probe_swarm(char **argv);
int corral_probe_hop(char **argv);
int corral_probe_hide(char **argv);

#endif
