// attack: 800 MiB of anonymous memory, 20 MiB at a time
// stopped: memory
#include "attack.h"

int main(void) {
    for (int piece = 0; piece < 40; piece++) {
        char *memory = malloc(20 * MIB);
        memset(memory, 1, 20 * MIB);
        pause_ms(20);
    }
    linger();
    survived("800 MiB of anonymous memory");
    return 0;
}
