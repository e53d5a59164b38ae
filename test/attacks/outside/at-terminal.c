/* at-terminal SECONDS COMMAND: a shell at a terminal of its own, to which this program types COMMAND; it is ended after so many seconds. Prints what is on the terminal. */
#include "attack.h"
#include <poll.h>
#include <pty.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int terminal;
    pid_t shell = forkpty(&terminal, NULL, NULL, NULL);
    if (shell == 0) {
        setenv("PS1", "# ", 1);
        execl("/bin/bash", "bash", "--norc", "--noprofile", "-i", NULL);
        _exit(127);
    }
    pause_ms(500);
    dprintf(terminal, "%s\n", argv[2]);
    time_t end = time(NULL) + atol(argv[1]);
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    char text[4096];
    while (time(NULL) < end) {
        if (poll(&ready, 1, 200) <= 0) continue;
        ssize_t length = read(terminal, text, sizeof text);
        if (length <= 0 || write(1, text, (size_t)length) != length) break;
    }
    kill(shell, SIGKILL);
    return 0;
}
