/*
 * The program's start, and what it takes of memory before it is asked to (entry.c).
 */
#ifndef CORRAL_TOOLS_ENTRY_H
#define CORRAL_TOOLS_ENTRY_H

/* Maps the 112 kB of heap that making a sandbox takes, at once. Where it cannot, nothing happens.
 */
void corral_entry_heap(void);

#endif
