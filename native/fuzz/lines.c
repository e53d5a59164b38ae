/* What an application writes, in the pieces that the first byte says: it comes out whole, in lines with the name before each. */
#include "world.h"
#include "../lines.h"
#include "../util.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The same by a plain way: a line at a time, longer ones broken. */
static void expect(const uint8_t *data, size_t size, const char *got, size_t got_size)
{
	size_t at = 0, line = 0;

	for (size_t i = 0; i <= size; i++) {
		bool newline = i < size && data[i] == '\n';
		if (!newline && i - line < LINE_BYTES && i < size)
			continue;
		if (i == size && i == line)
			break;
		if (at + 3 + (i - line) + 1 > got_size || memcmp(got + at, "n: ", 3) || memcmp(got + at + 3, data + line, i - line) ||
		    got[at + 3 + i - line] != '\n')
			broken("a line comes out as it was written");
		at += 3 + i - line + 1;
		line = newline ? i + 1 : i;
		if (!newline && i < size)
			i--;
	}
	if (at != got_size)
		broken("nothing else comes out");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines, none = { .from = -1, .to = -1 };
	struct pollfd ready[LINES_POLLS];

	if (!size || size > 60000)
		return 0;
	size_t piece = *data + 1U;
	data++;
	size--;
	int sink = memfd_create("sink", MFD_CLOEXEC), lock = memfd_create("lock", MFD_CLOEXEC);
	int end = lines_open(&lines, dup(sink), lock);
	if (sink < 0 || lock < 0 || end < 0)
		broken("a pipe");
	for (size_t at = 0; at < size; at += piece) {
		write_all(end, data + at, size - at < piece ? size - at : piece);
		lines_wanted(&lines, ready);
		poll(ready, LINES_POLLS, 0);
		lines_move(&lines, &none, "n", ready);
	}
	close(end);
	lines.last = true;
	for (int i = 0; !lines_done(&lines); i++) {
		lines_wanted(&lines, ready);
		poll(ready, LINES_POLLS, 0);
		lines_move(&lines, &none, "n", ready);
		if (i > 100000)
			broken("what was written comes to an end");
	}
	size_t got_size = (size_t)lseek(sink, 0, SEEK_END);
	char *got = xrealloc(NULL, got_size + 1);
	if (pread(sink, got, got_size, 0) != (ssize_t)got_size)
		broken("a memfd");
	expect(data, size, got, got_size);
	free(got);
	close(sink);
	close(lock);
	return 0;
}
