/* Who else filters what this host forwards, of those that are known to nf_tables. */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_FIREWALL_H
#define CORRAL_KERNEL_NETWORK_HELPER_FIREWALL_H

#include "kernel/base/error.h"

/*
 * -EPERM, with what to do, where a table drops what is forwarded and has no rule for our links: it
 * names none of them. What cannot be listed cannot be judged, and is left to those who made it.
 * uplink: for the text; NULL or "" without one.
 */
int corral_net_firewall_look(const char *uplink, struct corral_error *err);

#endif
