/*
 * A network to test against: a process in a network namespace of its own that plays everybody else,
 * connected by a pair of links to the namespace of whoever made it.
 *
 * It answers TCP on ports 22, 80, 443, 853 and 8080 with "hello\n" (to a request of HTTP with a
 * page, and on port 80 for "/to-denied" with a redirection to denied.example), echoes UDP on ports
 * 443 and 5000, and is a name server on port 53 of each address, by UDP and TCP.
 */
#ifndef CORRAL_TESTS_REAL_WORLD_H
#define CORRAL_TESTS_REAL_WORLD_H

#include <stdbool.h>

/* Ours, the world's, and further addresses of the world's: not of this earth, but of no special
 * range either. */
#define WORLD_NEAR     "11.0.0.2"
#define WORLD_FAR      "11.0.0.1"
#define WORLD_NEAR6    "2a00:ffff::2"
#define WORLD_FAR6     "2a00:ffff::1"
#define WORLD_ALLOWED  "11.1.0.1" /* allowed.example, www.allowed.example */
#define WORLD_ALLOWED6 "2a00:fffe::1"
#define WORLD_DENIED   "11.1.0.2" /* denied.example; allowed.example of an evil name server */
#define WORLD_DENIED6  "2a00:fffe::2"
#define WORLD_PRIVATE  "10.9.9.9" /* rebind.example */
#define WORLD_METADATA "169.254.169.254"

/*
 * More names: alias.example is an alias of denied.example; rebind.example has WORLD_PRIVATE,
 * mapped.example the same in IPv6's clothes, mixed.example both that and WORLD_ALLOWED;
 * forever.example has a time to live of 68 years and short.example one of 0; many.example has 100
 * addresses, 11.2.0.0 and on, which takes TCP; silent.example gets no answer; all else does not
 * exist.
 */

struct world {
	int pid;
	int ns_fd; /* its network namespace */
};

/* How long a client may say nothing until it is greeted, 30 unless it was set before world_open():
 * those who speak first and are slow, as HTTP's are, take it for their answer. */
extern int world_patience_ms;

/* Called in a network namespace that nothing else is in, as root. False where something is missing,
 * which *ret_why says. */
bool world_open(struct world *ret, const char **ret_why);
void world_close(struct world *w);
/* Questions of names that came to the world so far. */
unsigned int world_questions(void);

#endif
