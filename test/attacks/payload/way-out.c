// attack: ways out of the box by devices, chroot, file handles, raw sockets, and places of the node that are written to
#include "attack.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

int main(void) {
    char path[200];
    say(mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)) == 0, "mknod of a disk");
    struct stat root, other;
    stat("/", &root);
    for (const char **place = (const char *[]){"/proc/1/root", "/proc/1/cwd", NULL}; *place; place++)
        say(stat(*place, &other) == 0 && (other.st_dev != root.st_dev || other.st_ino != root.st_ino), *place);
    say(chroot("/tmp") == 0, "chroot");
    struct {
        struct file_handle handle;
        char space[128];
    } found = {.handle = {.handle_bytes = 128}};
    int mount_id;
    if (name_to_handle_at(AT_FDCWD, "/etc", &found.handle, &mount_id, 0) == 0)
        say(open_by_handle_at(open("/", O_RDONLY | O_CLOEXEC), &found.handle, O_RDONLY) >= 0, "open_by_handle_at (shocker)");
    say(socket(AF_PACKET, SOCK_RAW, 0) >= 0, "a raw socket of packets");
    say(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0, "a raw socket of ICMP");
    if (access("/etc/tare-attack-image", F_OK) != 0) { // an image's own files are the payload's to change
        for (const char **place = (const char *[]){"/etc", "/usr/bin", "/var", "/run", "/run/lock", "/home", "/root", "/opt", "/srv", "/mnt", "/var/spool", "/boot", "/lib", "/var/lib", "/var/lib/tare", NULL}; *place; place++) {
            snprintf(path, sizeof path, "%s/tare-attack", *place);
            int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
            if (fd >= 0) unlink(path);
            if (fd >= 0) survived("wrote to %s", *place);
        }
        say(open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0, "/etc/shadow");
        // root's cover over the records: chmod first
        if (chmod("/var/lib/tare", 0755) == 0) say(open("/var/lib/tare/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0, "the cover over /var/lib/tare is written to");
    }
    say(false, "places of the node");
    char status[4096];
    say(strstr(read_from("/proc/self/status", status, sizeof status), "NoNewPrivs:\t1") == NULL, "new privileges");
    return 0;
}
