/* See keeper_reports.h. */
#include "keeper_reports.h"
#include "util.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sends it to the front or to init, and frees it. */
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

	message_begin(&message, 'X');
	message_add_number(&message, keeper->go_us);
	if (!post) {
		send_frame(keeper, &message);
		return;
	}
	message_add_number(&message, post->index);
	message_add_number(&message, post->start);
	message_send(&message, post->front); /* the kernel adds who we are */
	close(post->front); /* whose end the front waits for */
}

void keeper_report_stopped(const struct keeper *keeper, int status)
{
	struct message message;

	message_begin(&message, 'S');
	message_add_number(&message, WSTOPSIG(status));
	send_frame(keeper, &message);
}

void keeper_report_ended(const struct keeper *keeper)
{
	struct rusage all;
	struct message message;

	getrusage(RUSAGE_CHILDREN, &all);
	message_begin(&message, 'E');
	message_add_number(&message, keeper->status);
	message_add_number(&message, time_us(keeper->usage.ru_utime));
	message_add_number(&message, time_us(keeper->usage.ru_stime));
	message_add_number(&message, time_us(all.ru_utime));
	message_add_number(&message, time_us(all.ru_stime));
	message_add_number(&message, all.ru_maxrss * 1024LL);
	message_add_number(&message, keeper->killed);
	message_add_number(&message, keeper->ended_us);
	send_frame(keeper, &message);
}

void keeper_report(const struct keeper *keeper, const char *bytes, size_t size)
{
	struct message message = { .data = xmemdup(bytes, size), .size = size };

	send_frame(keeper, &message);
}
