/* `port`: two ports on one socket, with several streams whose writers never stop. Ends with 0 where the sender keeps no more than what waits for the
 * socket, however much went over it. */
#include "../port.h"
#include "../util.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS = 6, TURNS = 2000, SENT_LEAST = 16 << 20, KEPT_MOST = 4 << 20 };

static void turn(struct port *port)
{
	struct pollfd ready[PORT_POLLS(STREAMS)];

	port_wanted(port, ready);
	if (poll(ready, PORT_POLLS(STREAMS), 0) < 0 || !port_serve(port, ready))
		die("port: it broke");
}

int main(void)
{
	int ends[2], room = 8 << 10;
	struct port sender = { 0 }, taker = { 0 };
	size_t sent = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) || setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room))
		die("port: sockets");
	sender.fd = ends[0];
	taker.fd = ends[1];
	for (uint32_t i = 0; i < STREAMS; i++) {
		port_add(&sender, i, open("/dev/zero", O_RDONLY | O_CLOEXEC), -1);
		port_add(&taker, i, -1, open("/dev/null", O_WRONLY | O_CLOEXEC));
	}
	for (int i = 0; i < TURNS; i++) {
		size_t waits = sender.out_size - sender.out_used;
		turn(&sender);
		if (waits > sender.out_size - sender.out_used)
			sent += waits - (sender.out_size - sender.out_used);
		turn(&taker);
	}
	if (sent < SENT_LEAST || sender.out_capacity > KEPT_MOST)
		die("port: %zu bytes are kept after %zu at the least were sent", sender.out_capacity, sent);
	return 0;
}
