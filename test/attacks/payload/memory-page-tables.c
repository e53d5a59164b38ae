// attack: page tables of 468 MiB for reads of the zero page, with hardly any resident memory
// limits: {memory: 128MiB, processes: 40, wallTime: 60s}
// stopped: memory
#include "attack.h"
#include <sys/mman.h>

int main(void) {
    size_t size = 1UL << 40;
    volatile char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        held("1 TiB of addresses: %s", strerror(errno));
        return 0;
    }
    madvise((void *)memory, size, MADV_NOHUGEPAGE);
    for (long table = 0; table < 120000; table++) {
        (void)memory[table * 2 * MIB];
        if (table % 10000 == 0) pause_ms(20);
    }
    linger();
    survived("468 MiB of page tables");
    return 0;
}
