// attack: sockets of the node from a box without a network: abstract, loopback, by pathname, and families that have no namespaces
// class: CVE-2020-15257
// network: none
// listen: true
#include "attack.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool reach_unix(const char *name, bool abstract) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + abstract, sizeof address.sun_path - abstract, "%s", name);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name) + !abstract);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length) == 0;
}

int main(void) {
    const char *abstract = getenv("ATTACK_ABSTRACT"), *path = getenv("ATTACK_PATH"), *port = getenv("ATTACK_PORT");
    if (abstract == NULL) {
        info("nobody listens");
        return 1;
    }
    say(reach_unix(abstract, true), "an abstract socket of the node");
    if (path != NULL) say(reach_unix(path, false), "a pathname socket in /run of the node");
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (port != NULL) {
        loopback.sin_port = htons((uint16_t)atoi(port));
        say(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&loopback, sizeof loopback) == 0, "TCP on the node's loopback");
    }
    if (path == NULL) return 0;
    for (int family = 1; family < 46; family++) {
        if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
        int fd = socket(family, SOCK_STREAM, 0);
        if (fd < 0) fd = socket(family, SOCK_DGRAM, 0);
        if (fd < 0) fd = socket(family, SOCK_SEQPACKET, 0);
        if (fd >= 0 && family != 40 && family != 38) info("a socket of family %d", family);
        if (fd >= 0) close(fd);
    }
    say(socket(40, SOCK_STREAM, 0) >= 0, "a socket of AF_VSOCK, which has no namespaces");
    return 0;
}
