// attack: files of the kernel below /proc and /sys opened for writing, and its secrets read
// limits: {memory: 256MiB, processes: 100, wallTime: 120s}
#include "attack.h"
#include <ftw.h>
#include <sys/sysmacros.h>

/* These belong to the box's own IPC, PID and UTS namespaces. */
static const char *const OWN[] = {"/proc/sys/fs/mqueue/", "/proc/sys/kernel/msg", "/proc/sys/kernel/sem", "/proc/sys/kernel/shm",
                                  "/proc/sys/kernel/auto_msgmni", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pid_max",
                                  "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/user/"};
static int tried, opened;
static char first[600];

static void try(const char *path) {
    for (size_t index = 0; index < sizeof OWN / sizeof *OWN; index++)
        if (strncmp(path, OWN[index], strlen(OWN[index])) == 0) return;
    tried++;
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    // what is masked is /dev/null
    bool got = fd >= 0 && fstat(fd, &status) == 0 && !(S_ISCHR(status.st_mode) && major(status.st_rdev) == 1 && minor(status.st_rdev) == 3);
    if (fd >= 0) close(fd);
    if (!got) return;
    opened++;
    if (strlen(first) + strlen(path) < sizeof first - 2) strcat(strcat(first, " "), path);
}

static int each(const char *path, const struct stat *status, int kind, struct FTW *at) {
    (void)kind;
    if (at->level > 8) return 0;
    if (S_ISREG(status->st_mode)) try(path);
    return 0;
}

int main(void) {
    for (const char **top = (const char *[]){"/proc/sys", "/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/acpi", "/proc/driver", "/proc/scsi", NULL}; *top; top++)
        nftw(*top, each, 32, FTW_PHYS);
    for (const char **file = (const char *[]){"/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/mtrr", "/proc/timer_list", "/proc/keys", "/dev/kmsg", "/dev/mem", NULL}; *file; file++)
        try(*file);
    if (opened > 0) survived("%d of %d files of the kernel open for writing:%s", opened, tried, first);
    else held("%d files of the kernel cannot be opened for writing", tried);
    char text[64];
    for (const char **file = (const char *[]){"/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/proc/iomem", "/proc/slabinfo", "/sys/kernel/debug/tracing/trace", NULL}; *file; file++) {
        int fd = open(*file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        say(fd >= 0 && read(fd, text, sizeof text) > 0 && strspn(text, " 0-:abcdef\n") < 20, *file);
        if (fd >= 0) close(fd);
    }
    return 0;
}
