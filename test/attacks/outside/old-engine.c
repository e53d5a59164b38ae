/* Not bubblewrap: what its setuid build was like before 0.11.2. It does as root what a helper with its caller's rights tells it, and the helper can be
 * taken hold of by ptrace(2). It builds nothing. */
#include "attack.h"

int main(void) {
    uid_t caller = getuid();
    pid_t helper = fork();
    if (helper == 0) {
        if (setresuid(caller, caller, caller) != 0) return 1;
        prctl(PR_SET_DUMPABLE, 1);
        pause_ms(300);
        return 0;
    }
    waitpid(helper, NULL, 0);
    return 0;
}
