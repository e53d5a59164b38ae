/* Namespaces of users and of mounts, which this process makes or joins. Where a function returns false, errno says why. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* This process alone in a user namespace, where it is `uid` and `gid`. */
bool user_namespace(uid_t uid, gid_t gid);
/* fork(2) into a new user namespace and a new PID namespace, whose process 1 the child is: no right is needed. In the child no id is mapped
 * until user_namespace_map(). */
pid_t fork_apart(void);
/* Maps one user and one group to those that this process had before its user namespace was made. False where they are root's of the
 * namespace around it, and its maker had not CAP_SETFCAP (Linux 5.12). */
bool user_namespace_map(uid_t uid, gid_t gid, uid_t outer_uid, gid_t outer_gid);
/* Whether the descriptor is of this process's own user namespace. */
bool is_own_user_namespace(int fd);

/* Mounts of its own for this process: what the node mounts and unmounts later, an automounter above all, still arrives. */
bool own_mounts(void);
/* This process into the mounts of another, and into its user namespace where that is another one. */
bool mounts_join(pid_t pid);

/* A /proc of this process's PID namespace in place of what is there, in its mount namespace. The one that was there shows others. It
 * goes last, since the kernel gives a new one only to a process that sees all of another. */
bool replace_proc(void);
/* The mount at `source` becomes the root of this process's mounts, and the directory that it is in. */
bool change_root(const char *source);

/* Writes the text to a file that is there. */
bool write_file(const char *path, const char *text);
