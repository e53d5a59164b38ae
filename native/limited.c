/* See limited.h. */
#include "limited.h"
#include "generated/protocol.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	STACK = 256 << 10,
	/* Sockets and lines read into buffers of 64 KiB. */
	HEAP = 512 << 10,
	HEAP_OF_ONE = 192 << 10,
};

static rlim_t cpu_limit;

/* The kernel asks for RLIMIT_STACK when the stack grows, and never again for what it has grown to. */
static void __attribute__((noinline)) grow_stack(void)
{
	volatile char room[STACK];

	room[0] = 0;
	(void)room[0];
}

void limited_prepare(size_t applications)
{
	struct rlimit limit;

	/* a caller may have set them lower than that, which is as good */
	if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 2 * STACK)
		grow_stack();
	/* all comes from the heap, which keeps what it has once had */
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, -1);
	void *volatile heap = malloc(HEAP + applications * HEAP_OF_ONE); /* without volatile the compiler leaves both calls out */
	free(heap);
	cpu_limit = getrlimit(RLIMIT_CPU, &limit) ? RLIM_INFINITY : limit.rlim_max;
}

void limited_look(int control)
{
	struct rlimit limit;
	struct message message;

	if (getrlimit(RLIMIT_CPU, &limit) || limit.rlim_max >= cpu_limit)
		return;
	cpu_limit = limit.rlim_max;
	message_begin(&message, FRAME_LIMITED);
	message_send(&message, control);
}
