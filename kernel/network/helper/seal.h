/*
 * The end of a sandbox's network whose link is left to the kernel. It takes the link away with the
 * namespace, but the namespace stays for whatever holds it: a connection whose last bytes nobody
 * took yet, a socket that a guest gave to somebody else (SCM_RIGHTS) before it ended. By then the
 * host's rules for the link are gone, or it is another's place: so nothing may leave any more.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_SEAL_H
#define CORRAL_KERNEL_NETWORK_HELPER_SEAL_H

/* For as long as the namespace is there: 0 or -errno. Takes milliseconds of nobody, unlike removing
 * a link. The calling process is in its own namespace again, or ends. */
int corral_net_seal(int guest_ns_fd);

#endif
