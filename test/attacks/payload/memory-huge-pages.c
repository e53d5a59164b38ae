// attack: 800 MiB of transparent huge pages
// stopped: memory
#include "attack.h"
#include <sys/mman.h>

int main(void) {
    char *reserved = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (reserved != MAP_FAILED) memset(reserved, 1, 64 * MIB);
    char *memory = mmap(NULL, 800 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, 800 * MIB, MADV_HUGEPAGE);
    for (long at = 0; at < 800 * MIB; at += 4096) {
        memory[at] = 1;
        if (at % (32 * MIB) == 0) pause_ms(30);
    }
    linger();
    survived("800 MiB of huge pages");
    return 0;
}
