/* What every attack needs: a word for each thing tried, at once, since the box may be killed after the next one. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MIB (1L << 20)

static inline void line(const char *word, const char *format, va_list words) {
    char text[1024];
    vsnprintf(text, sizeof text, format, words);
    char whole[1100];
    int length = snprintf(whole, sizeof whole, "%s %s\n", word, text);
    if (write(1, whole, (size_t)length) != length) _exit(9);
}

#define WORD(name, text)                                                                                                                     \
    __attribute__((format(printf, 1, 2), unused)) static void name(const char *format, ...) {                                                 \
        va_list words;                                                                                                                       \
        va_start(words, format);                                                                                                             \
        line(text, format, words);                                                                                                           \
        va_end(words);                                                                                                                       \
    }
WORD(held, "HELD")
WORD(survived, "SURVIVED")
WORD(info, "INFO")

/* `got`: the attack got through. errno says why it did not. */
static inline void say(bool got, const char *what) {
    int why = errno;
    if (got) survived("%s", what);
    else if (why == 0) held("%s", what);
    else held("%s: %s", what, strerror(why));
}

static inline void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* What is watched is seen at the next look: long enough for that, and no longer where it is known that nobody looks. */
__attribute__((unused)) static void linger(void) {
    const char *seconds = getenv("ATTACK_LINGER");
    pause_ms(1000 * (seconds == NULL ? 20 : atol(seconds)));
}

/* Into a file that exists; false with errno. */
static inline bool write_to(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = write(fd, text, strlen(text));
    int why = errno;
    close(fd);
    errno = why;
    return length > 0;
}

/* What is in a file, at most size - 1 bytes; an empty text when it cannot be read. */
__attribute__((unused)) static const char *read_from(const char *path, char *into, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, into, size - 1);
    into[length < 0 ? 0 : length] = '\0';
    if (fd >= 0) close(fd);
    return into;
}

/* A user namespace in which this process is root, and those that `more` says; false with errno. */
__attribute__((unused)) static bool become_nested_root(int more) {
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWUSER | more)) return false;
    write_to("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    if (!write_to("/proc/self/uid_map", map)) return false;
    snprintf(map, sizeof map, "0 %u 1", gid);
    return write_to("/proc/self/gid_map", map);
}
