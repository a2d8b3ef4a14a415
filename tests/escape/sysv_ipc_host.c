/* Way out: System V memory, semaphores and queues of the host's programs. */
/* Stopped by: an own ipc namespace. Arguments: a key, and the number of its segment on the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "tests/escape/escape.h"

static int host_side(const struct escape_run *run, key_t key)
{
	int id;

	if (run->argc == 2 && !strcmp(run->argv[1], "remove"))
		return shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
	id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
	if (id < 0)
		return untried("no shared memory");
	printf("%d\n", id);
	return 0;
}

ESCAPE(sysv_ipc_host)
{
	key_t key = run->argc ? (key_t)strtol(run->argv[0], NULL, 10) : 0x434f5252;
	int id = run->argc > 1 ? (int)strtol(run->argv[1], NULL, 10) : 0;
	struct shm_info info;

	if (run->host)
		return host_side(run, key);
	CHECK(refused("shmget", shmget(key, 0, 0), ENOENT, EPERM, ENOSYS));
	CHECK(refused("semget", semget(key, 0, 0), ENOENT, EPERM, ENOSYS));
	CHECK(refused("msgget", msgget(key, 0), ENOENT, EPERM, ENOSYS));
	CHECK(refused("shmat", shmat(id, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0, EINVAL, EIDRM,
	              EPERM, ENOSYS));
	if (shmctl(0, SHM_INFO, (struct shmid_ds *)&info) >= 0 && info.used_ids > 0)
		return escaped("%d segments are in sight", info.used_ids);
	return HELD;
}
