// attack: 1500 MiB of anonymous memory as fast as it goes, and the end
// stopped: memory
#include "attack.h"

int main(void) {
    volatile char *memory = malloc(1500 * MIB);
    for (long at = 0; at < 1500 * MIB; at += 4096) memory[at] = 1;
    survived("1500 MiB at once");
    return 0;
}
