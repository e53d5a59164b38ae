/* session-key CMD…: executes CMD with a secret in a session keyring of its own, as a service manager or a login does; without arguments: reads it and writes over it. */
#include "attack.h"

enum { SESSION = -3, JOIN = 1, UPDATE = 2, SEARCH = 10, READ = 11 };

int main(int argc, char **argv) {
    if (argc > 1) {
        syscall(SYS_keyctl, JOIN, "tare-attack");
        if (syscall(SYS_add_key, "user", "secret-of-root", "ticket", (size_t)6, SESSION) < 0) return 3;
        execv(argv[1], argv + 1);
        return 4;
    }
    char text[32];
    long key = syscall(SYS_keyctl, SEARCH, SESSION, "user", "secret-of-root", 0);
    say(key > 0 && syscall(SYS_keyctl, READ, key, text, sizeof text) > 0, "root's session keyring read");
    say(key > 0 && syscall(SYS_keyctl, UPDATE, key, "poison", (size_t)6) == 0, "root's session keyring written to");
    return 0;
}
