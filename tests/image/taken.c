/* Decoders that were taken over: each tries one thing, and finds the picture small if it could. */
#include <fcntl.h>
#include <gd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

gdImagePtr taken_open(int size, void *data);
gdImagePtr taken_socket(int size, void *data);
gdImagePtr taken_fork(int size, void *data);
gdImagePtr taken_code(int size, void *data);

static gdImagePtr if_done(int done)
{
	return done ? gdImageCreate(1, 1) : NULL;
}

gdImagePtr taken_open(int size, void *data)
{
	(void)size;
	(void)data;
	return if_done(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
}

gdImagePtr taken_socket(int size, void *data)
{
	(void)size;
	(void)data;
	return if_done(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

gdImagePtr taken_fork(int size, void *data)
{
	(void)size;
	(void)data;
	return if_done(fork() > 0);
}

gdImagePtr taken_code(int size, void *data)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
	               -1, 0);

	(void)size;
	(void)data;
	return if_done(p != MAP_FAILED);
}
