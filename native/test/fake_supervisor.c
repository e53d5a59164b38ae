/* Stands in for the JavaScript: passes every byte between the shim (descriptor 3) and the test that the caller's
 * environment names (TARE_TEST_SOCKET, read from the `H` frame). The test is the supervisor. First it tells the test, in
 * one frame-like block of lines, how it was started. In C, so that any user can run it, and fast. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHIM = 3 };

static char buffer[32 << 20];

static size_t read_hello(void)
{
	size_t size = 0, wanted = 4;

	while (size < wanted) {
		ssize_t n = recv(SHIM, buffer + size, sizeof buffer - size, 0);
		if (n <= 0)
			exit(1);
		size += (size_t)n;
		if (size >= 4)
			wanted = 4 + ((unsigned char)buffer[0] | (size_t)(unsigned char)buffer[1] << 8 |
				      (size_t)(unsigned char)buffer[2] << 16);
	}
	return size;
}

static int connect_to_test(size_t size)
{
	static const char name[] = "TARE_TEST_SOCKET=";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int test = socket(AF_UNIX, SOCK_STREAM, 0);

	for (char *at = buffer; at < buffer + size; at += strnlen(at, (size_t)(buffer + size - at)) + 1)
		if (!strncmp(at, name, sizeof name - 1))
			snprintf(address.sun_path, sizeof address.sun_path, "%s", at + sizeof name - 1);
	if (connect(test, (struct sockaddr *)&address, sizeof address))
		exit(1);
	return test;
}

static void send_all(int to, const char *data, size_t size)
{
	while (size) {
		ssize_t n = send(to, data, size, MSG_NOSIGNAL);
		if (n <= 0)
			exit(1);
		data += n;
		size -= (size_t)n;
	}
}

static size_t describe(char *text, size_t room, char **argv, char **environment)
{
	char target[256];
	size_t used = (size_t)snprintf(text, room, "%d\n", (int)getpid());

	for (char **argument = argv + 1; *argument; argument++)
		used += (size_t)snprintf(text + used, room - used, "%s%s", argument > argv + 1 ? " " : "", *argument);
	used += (size_t)snprintf(text + used, room - used, "\n");
	for (int fd = 0; fd < 4096; fd++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (access(path, F_OK) == 0 || readlink(path, target, sizeof target) > 0)
			used += (size_t)snprintf(text + used, room - used, "%s%d", fd ? "," : "", fd);
	}
	used += (size_t)snprintf(text + used, room - used, "\n");
	for (char **entry = environment; *entry; entry++)
		used += (size_t)snprintf(text + used, room - used, "%s%.*s", entry > environment ? "," : "",
					 (int)strcspn(*entry, "="), *entry);
	ssize_t length = readlink("/proc/self/fd/1", target, sizeof target - 1);
	used += (size_t)snprintf(text + used, room - used, "\n%.*s", (int)(length < 0 ? 0 : length), target);
	return used;
}

int main(int argc, char **argv, char **environment)
{
	static char text[16384];
	size_t about = describe(text, sizeof text, argv, environment), size = read_hello();
	int test = connect_to_test(size);
	unsigned char length[4] = { (unsigned char)about, (unsigned char)(about >> 8), 0, 0 };

	(void)argc;
	send_all(test, (char *)length, 4);
	send_all(test, text, about);
	send_all(test, buffer, size);
	for (;;) {
		struct pollfd ready[] = { { .fd = test, .events = POLLIN }, { .fd = SHIM, .events = POLLIN } };
		poll(ready, 2, -1);
		for (int i = 0; i < 2; i++) {
			if (!ready[i].revents)
				continue;
			ssize_t n = recv(ready[i].fd, buffer, sizeof buffer, 0);
			if (n <= 0)
				return 0;
			send_all(ready[1 - i].fd, buffer, (size_t)n);
		}
	}
}
