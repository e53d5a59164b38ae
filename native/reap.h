/* Killing what is left. */
#ifndef TARE_REAP_H
#define TARE_REAP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sends SIGKILL to each direct child that is not spared, and returns how many there were, dead ones included.
 * Only the caller can reap them, so none of these pids can be another process by now. A child's children become
 * the caller's (a subreaper's) when it dies: repeat until there are none. */
size_t kill_children(bool (*spare)(pid_t pid, const void *context), const void *context);

#endif
