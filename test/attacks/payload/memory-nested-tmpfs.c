// attack: 800 MiB in file systems in memory that the payload mounts in a user namespace of its own, each as large as half of the node's memory
// stopped: memory
#include "attack.h"

int main(void) {
    static char block[MIB];
    int taken = 0;
    memset(block, 1, sizeof block);
    if (!become_nested_root(CLONE_NEWNS)) {
        held("a user namespace of its own: %s", strerror(errno));
        return 0;
    }
    for (int mounts = 0; mounts < 4; mounts++) {
        if (mount("none", "/tmp", "tmpfs", 0, "size=100%")) break;
        int fd = open("/tmp/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        for (int blocks = 0; blocks < 200 && write(fd, block, sizeof block) == (ssize_t)sizeof block; blocks++) taken++;
        pause_ms(100);
    }
    linger();
    if (taken > 400) survived("%d MiB in tmpfs of a nested user namespace", taken);
    else held("%d MiB in tmpfs of a nested user namespace: %s", taken, strerror(errno));
    return 0;
}
