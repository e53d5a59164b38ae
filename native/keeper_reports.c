/* See keeper_reports.h. */
#include "keeper_reports.h"
#include "failed.h"
#include "generated/protocol.h"
#include "util.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sends it to the shim or to init, and frees it. */
static void send_frame(const struct keeper *keeper, struct message *message)
{
	message_send(message, keeper->control.fd);
}

void keeper_report_failed(struct keeper *keeper, const char *step_name, int error, const char *what)
{
	struct message message;

	if (keeper->failed)
		return;
	keeper->failed = true;
	message_failed(&message, step_name, error, what);
	send_frame(keeper, &message);
}

void keeper_report_executed(const struct keeper *keeper)
{
	const struct post *post = keeper->post;
	struct message message;
	struct executed_frame executed = { .at_us = (long)keeper->go_us };

	if (!post) {
		write_executed_frame(&message, &executed);
		send_frame(keeper, &message);
		return;
	}
	executed.application.given = true;
	executed.application.index = post->index;
	executed.application.start = post->start;
	write_executed_frame(&message, &executed);
	message_send(&message, post->shim); /* the kernel adds who we are */
	close(post->shim); /* whose end the shim waits for */
}

void keeper_report_stopped(const struct keeper *keeper, int status)
{
	struct message message;

	write_stopped_frame(&message, &(struct stopped_frame){ WSTOPSIG(status) });
	send_frame(keeper, &message);
}

void keeper_report_ended(const struct keeper *keeper)
{
	struct rusage all;
	struct message message;

	getrusage(RUSAGE_CHILDREN, &all);
	const struct ended_frame ended = { {
		.raw_status = keeper->status,
		.payload_user_us = (long)time_us(keeper->usage.ru_utime),
		.payload_system_us = (long)time_us(keeper->usage.ru_stime),
		.children_user_us = (long)time_us(all.ru_utime),
		.children_system_us = (long)time_us(all.ru_stime),
		.largest_process_bytes = all.ru_maxrss * 1024L,
		/* what was left the kernel has killed and reaped with it (pid_namespaces(7)) */
		.killed_processes = keeper->payload->guest.apart ? -1 : keeper->killed,
		.ended_us = (long)keeper->ended_us,
	} };
	write_ended_frame(&message, &ended);
	send_frame(keeper, &message);
}

void keeper_report(const struct keeper *keeper, const char *bytes, size_t size)
{
	struct message message = { .data = xmemdup(bytes, size), .size = size };

	send_frame(keeper, &message);
}
