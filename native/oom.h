/* A process's place among the choices of the out-of-memory killer (proc(5), oom_score_adj). */
#pragma once

#include <stdbool.h>

/* Raises this process's own. Lowering is root's: where a batch system has raised it further (HTCondor: 800), that serves as well. While
 * this process is not dumpable its files in /proc are root's: others of its uid may look into it for the moment of an open(2). False,
 * with errno. */
bool oom_score_raise(const char *wanted);

#define OOM_SCORE_FILE "/proc/self/oom_score_adj"
