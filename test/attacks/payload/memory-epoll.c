// attack: watches of epoll(7), about 160 bytes of the kernel's memory each, until 200 MiB are asked for
// limits: {memory: 64MiB, processes: 40, wallTime: 60s}
// stopped: memory
#include "attack.h"
#include <sys/epoll.h>

int main(void) {
    int ends[2], copies[400], count = 0;
    long watches = 0;
    if (pipe(ends)) return 1;
    while (count < 400 && (copies[count] = dup(ends[0])) >= 0) count++;
    for (int set = 0; set < 3200; set++) {
        int epoll = epoll_create1(0), at = 0;
        struct epoll_event event = {.events = EPOLLIN};
        while (epoll >= 0 && at < count && epoll_ctl(epoll, EPOLL_CTL_ADD, copies[at], &event) == 0) at++;
        watches += at;
        if (epoll < 0 || at < count) break;
    }
    linger();
    if (watches > 800000) survived("%ld watches of epoll", watches);
    else held("%ld watches of epoll, then %s", watches, strerror(errno));
    return 0;
}
