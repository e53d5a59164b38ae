// attack: system calls that no payload needs and that reach past the box, each with a call that the kernel itself would refuse otherwise than a filter
// row: X4
#include "attack.h"
#include <sys/socket.h>

/* A filter says EPERM or ENOSYS, before the kernel looks at arguments; for unprivileged callers the kernel says EPERM for most of these itself. */
static void try(const char *name, long number, long a, long b, long c, long d, long e) {
    errno = 0;
    long result = syscall(number, a, b, c, d, e);
    bool refused = result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES);
    say(!refused, name);
}

int main(void) {
    static char zeros[512];
    long at = (long)zeros;
    char status[4096];
    say(strstr(read_from("/proc/self/status", status, sizeof status), "Seccomp:\t2") == NULL, "no filter on system calls");
    try("io_uring_setup", SYS_io_uring_setup, 4, at, 0, 0, 0);
    try("userfaultfd", SYS_userfaultfd, 1 /* user mode only */, 0, 0, 0, 0);
    try("bpf", SYS_bpf, 5, at, 120, 0, 0);
    try("kexec_load", SYS_kexec_load, 0, 0, 0, 0, 0);
    try("init_module", SYS_init_module, at, 1, at, 0, 0);
    try("finit_module", SYS_finit_module, 0, at, 0, 0, 0);
    try("open_by_handle_at", SYS_open_by_handle_at, 0, at, 0, 0, 0);
    struct timespec now = {time(NULL), 0};
    try("clock_settime", SYS_clock_settime, CLOCK_REALTIME, (long)&now, 0, 0, 0);
    try("swapon", SYS_swapon, (long)"/tmp/x", 0, 0, 0, 0);
    try("acct", SYS_acct, (long)"/tmp/x", 0, 0, 0, 0);
    try("reboot", SYS_reboot, 0, 0, 0, 0, 0);
    try("syslog", SYS_syslog, 3, at, 100, 0, 0);
    say(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0) >= 0, "a socket of AF_VSOCK, which has no namespaces");
    say(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0) >= 0, "a socket of AF_ALG");
    return 0;
}
