// attack: three processes that take back the CPUs they were bound from, where one core is allowed
// limits: {memory: 256MiB, processes: 40, wallTime: 60s, cores: 1}
// cores: 1
#include "attack.h"

int main(void) {
    for (int child = 0; child < 3; child++)
        if (fork() == 0) {
            cpu_set_t all;
            memset(&all, 0xff, sizeof all);
            sched_setaffinity(0, sizeof all, &all);
            time_t end = time(NULL) + 4;
            while (time(NULL) < end) continue;
            _exit(0);
        }
    while (wait(NULL) > 0) continue;
    info("three busy processes");
    return 0;
}
