/* What a shell would do for `tare run FILE <OTHER`, where FILE is what comes on standard input. */
#include "input.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST = 1 << 20, PIECE = 1 << 16 };

#define FLAG "--stdin"

/* FILE of the last `--stdin FILE` or `--stdin=FILE` before `--`, NULL: none. */
static const char *named_file(int argc, char **argv)
{
	const char *file = NULL;

	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strncmp(argv[i], FLAG "=", strlen(FLAG "=")))
			file = argv[i] + strlen(FLAG "=");
		else if (!strcmp(argv[i], FLAG) && i + 1 < argc)
			file = argv[++i];
	}
	return file;
}

/* One read from standard input, which another program may have made one that does not block. 0 at its end. */
static size_t read_piece(char *piece)
{
	for (;;) {
		ssize_t n = read(0, piece, PIECE);
		if (n >= 0)
			return (size_t)n;
		if (errno == EAGAIN)
			poll(&(struct pollfd){ .fd = 0, .events = POLLIN }, 1, -1);
		else if (errno != EINTR)
			die("standard input, with the job descriptor: %s", strerror(errno));
	}
}

static void read_input(struct input *input)
{
	size_t n;

	do {
		input->text = xrealloc(input->text, input->size + PIECE);
		n = read_piece(input->text + input->size);
		input->size += n;
		if (input->size > LARGEST)
			die("standard input: a job descriptor has at most %d bytes", LARGEST);
	} while (n > 0);
}

/* Opened as a shell would, so a named pipe is waited for. */
static void become_standard_input(const char *path)
{
	if (!*path)
		die("an empty name of a file for standard input (" FLAG ")");
	int fd = open(path, O_RDONLY);

	if (fd < 0 || (fd != 0 && dup2(fd, 0) < 0))
		die("%s, for standard input (" FLAG "): %s%s", path, strerror(errno),
		    strcmp(path, "-") ? "" : "; FILE is a path, and - does not stand for standard input");
	if (fd > 0)
		close(fd);
}

void input_take(struct input *input, int argc, char **argv)
{
	bool comes = argc > 2 && !strcmp(argv[2], "-");
	const char *file = named_file(argc, argv);

	if (comes)
		read_input(input);
	if (comes || file)
		become_standard_input(file ? file : "/dev/null");
}

int input_file(struct input *input)
{
	if (!input->text)
		return -1;
	int fd = above_standard(memory_file("job", true));
	if (fd < 0 || !write_all(fd, input->text, input->size) || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		die("a file in memory for the job descriptor: %s", strerror(errno));
	free(input->text);
	input->text = NULL;
	return fd;
}
