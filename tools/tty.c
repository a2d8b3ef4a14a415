#include "tools/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

void corral_streams_save(struct corral_streams *s)
{
	for (int fd = 0; fd < 3; fd++) {
		s->flags[fd] = fcntl(fd, F_GETFL);
		s->has_modes[fd] = s->flags[fd] >= 0 && tcgetattr(fd, &s->modes[fd]) == 0;
	}
}

void corral_streams_restore(const struct corral_streams *s)
{
	struct termios now;

	for (int fd = 0; fd < 3; fd++) {
		if (s->flags[fd] >= 0 && fcntl(fd, F_GETFL) != s->flags[fd])
			(void)fcntl(fd, F_SETFL, s->flags[fd]);
		if (s->has_modes[fd] && tcgetattr(fd, &now) == 0 &&
		    (now.c_lflag != s->modes[fd].c_lflag || now.c_iflag != s->modes[fd].c_iflag ||
		     now.c_oflag != s->modes[fd].c_oflag || now.c_cflag != s->modes[fd].c_cflag))
			(void)tcsetattr(fd, TCSANOW, &s->modes[fd]);
	}
}

int corral_tty_raw(struct corral_tty *t, struct corral_error *err)
{
	struct termios raw;

	if (t->is_raw || tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return 0;
	raw = t->saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return corral_error_sys(err, errno, "make the terminal raw");
	t->is_raw = true;
	return 0;
}

void corral_tty_restore(struct corral_tty *t)
{
	if (!t->is_raw)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	t->is_raw = false;
}

void corral_tty_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize size;

	*ret_rows = 24;
	*ret_cols = 80;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
			continue;
		*ret_rows = size.ws_row;
		*ret_cols = size.ws_col;
		return;
	}
}

void corral_tty_resize(int master_fd)
{
	struct winsize size = { 0 };

	corral_tty_size(&size.ws_row, &size.ws_col);
	(void)ioctl(master_fd, TIOCSWINSZ, &size);
}
