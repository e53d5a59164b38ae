/* tare-attacks: what `tare doctor --attacks` runs, inside of boxes and around them. The attacks are those of test/attacks, each compiled with
 * its main() under another name; which one speaks is told by a line `== NAME` before its own. An ordinary program: it has no rights, is in
 * nobody's PATH, and changes nothing but files of the box that it runs in.
 *
 *   tare-attacks outside SECONDS NAME COMMAND…   COMMAND as a careless caller starts it, at a terminal of its own
 *   tare-attacks box | machine | service | bare  what is tried inside: of a box, of a small machine as payload and as service, without a box
 *   tare-attacks look                            in an image whose parts are links
 *   tare-attacks steer ENGINE                    a setuid engine's helper; root tries it as uid 65534 */
#include "attack.h"
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <stddef.h>
#include <termios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

int attack_descriptors(void);
int attack_exec_race(void);
int attack_image_look(void);
int attack_init_reach(void);
int attack_own_program(void);
int attack_sockets(void);
int attack_steer(int argc, char **argv);
int attack_type_command(int argc, char **argv);

#define NOBODY 65534
/* For a word from outside. */
#define PATIENCE_S 60

static void say_whole(const char *text) {
    size_t length = strlen(text);
    if (write(1, text, length) != (ssize_t)length) _exit(9);
}

static void begin(const char *name) {
    char text[64];
    snprintf(text, sizeof text, "== %s\n", name);
    say_whole(text);
}

/* In a process of its own: what it has opened is gone afterwards, and what kills it kills nothing else. */
static void alone(const char *name, int (*attack)(void)) {
    begin(name);
    pid_t pid = fork();
    if (pid == 0) _exit(attack());
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) info("the attack did not end by itself");
}

static int type(void) {
    char *argv[] = {"type-command", "/nothing", NULL};
    attack_type_command(2, argv);
    info("what is typed is told from outside");
    return 0;
}

/* Else processes that come may belong to others, and are left alone. */
static bool has_own_pids(void) {
    const char *node = getenv("ATTACK_PIDS");
    char own[64] = "";
    return node != NULL && readlink("/proc/self/ns/pid", own, sizeof own - 1) > 0 && strcmp(node, own) != 0;
}

/* What looks at other processes by their numbers, where they are the box's. */
static bool is_open(const char *name) {
    if (has_own_pids()) return false;
    begin(name);
    survived("the box has the node's process numbers: process 1 is the node's");
    return true;
}

static bool waits_for(const char *path) {
    for (int tries = 0; tries < PATIENCE_S * 50; tries++) {
        if (access(path, F_OK) == 0) return true;
        pause_ms(20);
    }
    return false;
}

static void touch(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0) close(fd);
}

/* A descriptor of a directory of the node, or a work directory that is one: the way up from it does not end at the box's root. */
static int descriptors(void) {
    struct stat root, at;
    int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int up = 0; fd >= 0 && up < 64; up++) {
        int next = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    errno = 0;
    say(stat("/", &root) == 0 && fd >= 0 && fstat(fd, &at) == 0 && (root.st_dev != at.st_dev || root.st_ino != at.st_ino), "a work directory outside of the box's root");
    if (fd >= 0) close(fd);
    return attack_descriptors();
}

static int usual(void) {
    setenv("ATTACK_LOOK", "1", 1);
    alone("directories", descriptors);
    alone("terminal", type);
    return 0;
}

static int box(void) {
    usual();
    alone("sockets", attack_sockets);
    if (is_open("runtime") && is_open("program")) return 0;
    alone("runtime", attack_init_reach);
    // both attack processes that enter the box, which the caller outside starts
    int said[2];
    if (pipe(said) != 0) return 1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(said[1], 1);
        close(said[0]);
        close(said[1]);
        _exit(attack_own_program());
    }
    close(said[1]);
    say_whole("READY\n");
    alone("runtime", attack_exec_race);
    touch("/tmp/stop");
    begin("program");
    char text[4096];
    for (ssize_t length; (length = read(said[0], text, sizeof text - 1)) > 0;) {
        text[length] = '\0';
        say_whole(text);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

static int machine(void) {
    usual();
    alone("sockets", attack_sockets);
    if (!is_open("runtime")) alone("runtime", attack_init_reach);
    say_whole("READY\n");
    waits_for("done");
    touch("/tmp/stop");
    begin("program");
    char text[4096];
    if (waits_for("/tmp/said-all")) say_whole(read_from("/tmp/said", text, sizeof text));
    return 0;
}

/* Of the small machine, as its root: what it says is the payload's to tell. */
static int service(void) {
    int fd = open("/tmp/said", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0) return 1;
    attack_own_program();
    touch("/tmp/said-all");
    pause();
    return 0;
}

/* As a careless caller does: directories open, at a terminal, and a socket of the node's that listens. */
static int outside(int argc, char **argv) {
    if (argc < 3) return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[1]))) || listen(listener, 9)) {
        info("nobody listens: %s", strerror(errno));
        return 1;
    }
    int terminal, result[2];
    if (pipe2(result, O_CLOEXEC)) return 1;
    pid_t caller = forkpty(&terminal, NULL, NULL, NULL);
    if (caller < 0) {
        info("there is no terminal: %s", strerror(errno));
        return 1;
    }
    if (caller == 0) {
        // nothing is echoed or changed on the way, and only this process reads what is typed
        struct termios modes;
        tcgetattr(0, &modes);
        cfmakeraw(&modes);
        tcsetattr(0, TCSANOW, &modes);
        int input = dup(0), status;
        fcntl(input, F_SETFD, FD_CLOEXEC);
        fcntl(input, F_SETFL, O_NONBLOCK);
        pid_t pid = fork();
        if (pid == 0) {
            int nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);
            dup2(nowhere, 0);
            if (open("/", O_RDONLY | O_DIRECTORY) < 0 || open(".", O_RDONLY | O_DIRECTORY) < 0) _exit(9);
            execv(argv[2], argv + 2);
            _exit(127);
        }
        waitpid(pid, &status, 0);
        char typed[16];
        bool got = read(input, typed, sizeof typed) > 0;
        if (write(result[1], got ? "1" : "0", 1) != 1) _exit(9);
        _exit(0);
    }
    close(result[1]);
    char text[4096], got = '0';
    time_t end = time(NULL) + atol(argv[0]);
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    while (time(NULL) < end) {
        if (poll(&ready, 1, 200) <= 0) continue;
        ssize_t length = read(terminal, text, sizeof text);
        if (length <= 0 || write(1, text, (size_t)length) != length) break;
    }
    bool ended = read(result[0], &got, 1) == 1;
    kill(caller, SIGKILL);
    begin("terminal");
    errno = 0;
    if (ended) say(got == '1', "the terminal that the box was started at");
    return ended ? 0 : 1;
}

static int steer(const char *engine) {
    if (getuid() == 0 && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))) return 1;
    begin("steer");
    char *argv[] = {"steer", "1", (char *)engine, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--", "/bin/true", NULL};
    return attack_steer(14, argv);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "outside") == 0) return outside(argc - 2, argv + 2);
    if (strcmp(what, "steer") == 0 && argc == 3) return steer(argv[2]);
    if (argc == 2 && strcmp(what, "box") == 0) return box();
    if (argc == 2 && strcmp(what, "machine") == 0) return machine();
    if (argc == 2 && strcmp(what, "service") == 0) return service();
    if (argc == 2 && strcmp(what, "bare") == 0) return usual();
    if (argc == 2 && strcmp(what, "look") == 0) return attack_image_look();
    fputs("tare-attacks: this is what `tare doctor --attacks` runs\n", stderr);
    return 2;
}
