/* See buffers.h. */
#include "buffers.h"
#include "look.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes in the buffers of one socket (sock_diag(7)). Data of a sender that is gone counts at the receiver. */
static long long unix_bytes(const struct nlmsghdr *header, const struct held *held, bool shared)
{
	const struct unix_diag_msg *message = NLMSG_DATA(header);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
	long long written = 0, waiting = 0;
	bool has_peer = false;

	if (shared && !things_have(&held->sockets, 0, message->udiag_ino))
		return 0;
	for (const struct rtattr *at = (const struct rtattr *)(message + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == UNIX_DIAG_PEER)
			has_peer = true;
		if (at->rta_type == UNIX_DIAG_MEMINFO && RTA_PAYLOAD(at) > SK_MEMINFO_WMEM_ALLOC * sizeof(uint32_t))
			written = ((const uint32_t *)RTA_DATA(at))[SK_MEMINFO_WMEM_ALLOC];
		if (at->rta_type == UNIX_DIAG_RQLEN && message->udiag_state != 10 /* TCP_LISTEN */)
			waiting = ((const struct unix_diag_rqlen *)RTA_DATA(at))->udiag_rqueue;
	}
	return written + (has_peer ? 0 : waiting);
}

/* Bytes that wait in one socket of TCP or UDP. */
static long long inet_bytes(const struct nlmsghdr *header, const struct held *held, bool shared)
{
	const struct inet_diag_msg *message = NLMSG_DATA(header);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));

	if (shared && !things_have(&held->sockets, 0, message->idiag_inode))
		return 0;
	for (const struct rtattr *at = (const struct rtattr *)(message + 1); RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == INET_DIAG_SKMEMINFO && RTA_PAYLOAD(at) > SK_MEMINFO_WMEM_QUEUED * sizeof(uint32_t)) {
			const uint32_t *memory = RTA_DATA(at);
			return (long long)memory[SK_MEMINFO_RMEM_ALLOC] + memory[SK_MEMINFO_WMEM_ALLOC] + memory[SK_MEMINFO_WMEM_QUEUED];
		}
	return 0;
}

typedef long long teller(const struct nlmsghdr *header, const struct held *held, bool shared);

/* Adds to the sum what the sockets hold that the request is about. False: the kernel tells nothing of such sockets. */
static bool dump(const struct held *held, bool shared, const void *request, size_t size, teller *bytes_of, long long *sum)
{
	struct {
		struct nlmsghdr header;
		char request[128];
	} ask = { .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
			      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	static char answer[65536] __attribute__((aligned(8)));
	const struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool whole = false;

	memcpy(ask.request, request, size);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (send(fd, &ask, ask.header.nlmsg_len, 0) < 0) {
		close(fd);
		return false;
	}
	for (bool more = true; more && !look_is_late();) {
		ssize_t n = recv(fd, answer, sizeof answer, 0);
		unsigned left = n < 0 ? 0 : (unsigned)n;
		more = n > 0;
		for (const struct nlmsghdr *header = (const struct nlmsghdr *)answer; NLMSG_OK(header, left);
		     header = NLMSG_NEXT(header, left)) {
			if (header->nlmsg_type == NLMSG_DONE)
				whole = true;
			if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
				more = false;
				break;
			}
			*sum += bytes_of(header, held, shared);
		}
	}
	close(fd);
	return whole;
}

void buffers_look(const struct held *held, bool shared)
{
	const struct unix_diag_req local = { .sdiag_family = AF_UNIX,
					     .udiag_states = ~0U,
					     .udiag_show = UDIAG_SHOW_MEMINFO | UDIAG_SHOW_RQLEN | UDIAG_SHOW_PEER };
	const int families[] = { AF_INET, AF_INET6 }, protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	long long bytes = 0;

	if (shared && !held->sockets.count)
		return;
	if (!dump(held, shared, &local, sizeof local, unix_bytes, &bytes))
		look_report_unseen(WAY_SOCKETS);
	for (size_t i = 0; i < 4; i++) {
		const struct inet_diag_req_v2 request = { .sdiag_family = (uint8_t)families[i / 2],
							  .sdiag_protocol = (uint8_t)protocols[i % 2],
							  .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
							  .idiag_states = ~0U };
		dump(held, shared, &request, sizeof request, inet_bytes, &bytes);
	}
	look_report((struct found){ .what = FOUND_SOCKETS, .bytes = bytes });
}
