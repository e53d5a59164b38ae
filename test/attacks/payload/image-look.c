// attack: an image whose parts are links, so that what is mounted, made or masked in it lands on the node, or nowhere
// class: CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2026-87766
// images: [dev, proc, sys, tmp, run, etc, dev-null, dev-console, dev-pts, work]
// patterns: [ulimit++, vm-lite]
#include "attack.h"
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static bool is_device(const char *path, unsigned int major_, unsigned int minor_) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(major_, minor_);
}

int main(void) {
    struct statfs of;
    char text[16];
    errno = 0;
    say(statfs("/proc", &of) != 0 || of.f_type != 0x9fa0, "/proc is none");
    errno = 0;
    say(!is_device("/dev/null", 1, 3), "/dev/null is something else");
    for (const char **file = (const char *[]){"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe", NULL}; *file; file++)
        say(open(*file, O_WRONLY | O_CLOEXEC) >= 0, *file);
    for (const char **file = (const char *[]){"/proc/kcore", "/proc/kmsg", NULL}; *file; file++) {
        int fd = open(*file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        say(fd >= 0 && read(fd, text, sizeof text) > 0, *file);
    }
    return 0;
}
