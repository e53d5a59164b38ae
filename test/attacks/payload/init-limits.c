// attack: every other limit of process 1 becomes 0: memory, stack, file size, processes, queued signals
// row: X1
// limits: {memory: 256MiB, processes: 100, wallTime: 20s}
// ends: itself
#include "attack.h"

int main(void) {
    struct rlimit none = {0, 0};
    const __rlimit_resource_t which[] = {RLIMIT_AS,     RLIMIT_DATA,  RLIMIT_STACK,   RLIMIT_FSIZE, RLIMIT_NPROC,
                                         RLIMIT_SIGPENDING, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_LOCKS, RLIMIT_MSGQUEUE};
    for (size_t index = 0; index < sizeof which / sizeof *which; index++) {
        if (prlimit(1, which[index], &none, NULL)) held("limit %d of process 1: %s", which[index], strerror(errno));
        else info("limit %d of process 1 is 0", which[index]);
    }
    return 0;
}
