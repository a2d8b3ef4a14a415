/*
 * The cheapest program there is: static, and done at once. With an argument it sleeps until it is
 * killed, to keep an otherwise empty container alive.
 */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		(void)pause();
	return 0;
}
