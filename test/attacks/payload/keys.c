// attack: 3000 keys in the kernel's key store, whose quota is the account's on the whole node
#include "attack.h"

int main(void) {
    int made = 0;
    char name[32];
    for (; made < 3000; made++) {
        snprintf(name, sizeof name, "tare-attack-%d", made);
        if (syscall(SYS_add_key, "user", name, "payload of a key", (size_t)16, -3 /* the session's keyring */) < 0) break;
    }
    if (made > 400) survived("%d keys, then %s", made, strerror(errno));
    else held("%d keys, then %s", made, strerror(errno));
    return 0;
}
