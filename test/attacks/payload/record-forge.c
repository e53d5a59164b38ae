// attack: records, box.json and the job's features of this box are written to, removed or forged
#include "attack.h"

int main(void) {
    char path[200];
    uid_t uid = getuid();
    const char *places[] = {"/var/lib/tare/spool", "/var/spool/tare"};
    for (int index = 0; index < 3; index++) {
        if (index < 2) snprintf(path, sizeof path, "%s/00000000-0000-5000-8000-000000000000.json", places[index]);
        else snprintf(path, sizeof path, "/var/tmp/tare-%u/spool/00000000-0000-5000-8000-000000000000.json", uid);
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        info("%s: %s", path, fd >= 0 ? "written, in what only the box sees" : strerror(errno));
    }
    for (const char **file = (const char *[]){"/dev/tare/box.json", "/dev/tare/jobfeatures/job_id", NULL}; *file; file++) {
        say(unlink(*file) == 0, *file);
        say(open(*file, O_WRONLY | O_CLOEXEC) >= 0, *file);
    }
    say(rmdir("/dev/tare/jobfeatures") == 0, "/dev/tare/jobfeatures removed");
    return 0;
}
