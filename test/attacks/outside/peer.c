/* peer NAME: listens at an abstract socket and prints the uid of each process that connects. peer NAME connect: connects. */
#include "attack.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", argv[1]);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[1]));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (argc > 2) {
        say(connect(fd, (struct sockaddr *)&address, length) == 0, "an abstract socket of the node");
        pause_ms(200);
        return 0;
    }
    if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 9)) return 3;
    for (int client; (client = accept(fd, NULL, NULL)) >= 0; close(client)) {
        struct ucred peer;
        socklen_t size = sizeof peer;
        getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        dprintf(1, "uid %u\n", peer.uid);
    }
    return 0;
}
