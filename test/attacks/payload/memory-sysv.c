// attack: 1 GiB of System V shared memory that nobody has attached
// stopped: memory
#include "attack.h"
#include <sys/shm.h>

int main(void) {
    int pieces = 0;
    for (; pieces < 64; pieces++) {
        int id = shmget(IPC_PRIVATE, 16 * MIB, IPC_CREAT | 0600);
        char *memory = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
        if (memory == (char *)-1) break;
        memset(memory, 1, 16 * MIB);
        shmdt(memory);
        pause_ms(10);
    }
    linger();
    if (pieces > 30) survived("%d MiB of detached System V memory", pieces * 16);
    else held("%d MiB of System V memory", pieces * 16);
    return 0;
}
