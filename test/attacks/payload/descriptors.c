// attack: descriptors that came into the box: sockets of the wrapper, directories of the node
// class: CVE-2024-21626
// open: true
#include "attack.h"

int main(void) {
    char link[64], target[300];
    bool bad = false;
    for (int fd = 3; fd < 1024; fd++) {
        struct stat status;
        if (fstat(fd, &status)) continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (S_ISSOCK(status.st_mode)) survived("descriptor %d is a socket", fd);
        if (S_ISDIR(status.st_mode)) survived("descriptor %d is a directory", fd);
        bad |= S_ISSOCK(status.st_mode) || S_ISDIR(status.st_mode);
    }
    if (!bad) held("no socket and no directory among the descriptors");
    return 0;
}
