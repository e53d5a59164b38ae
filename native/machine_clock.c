/* See machine_clock.h. qemu gives an emulated machine the counter as it is (RDTSC). */
#include "machine_clock.h"
#include "util.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { MEASURED_MS = 20, USUAL_KHZ = 2000000 };

static const char PLACE[] = "{khz}";

static long measure(void)
{
#if defined(__x86_64__)
	struct timespec began, ended;

	clock_gettime(CLOCK_MONOTONIC, &began);
	unsigned long long from = __rdtsc();
	usleep(MEASURED_MS * 1000);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	unsigned long long ticks = __rdtsc() - from;
	long long ns = (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec;
	return (long)((double)ticks * 1e6 / (double)ns);
#else
	return USUAL_KHZ;
#endif
}

void machine_clock_tell(char **words)
{
	for (; *words; words++) {
		char *place = strstr(*words, PLACE);
		if (place)
			*words = xprintf("%.*s%ld%s", (int)(place - *words), *words, measure(), place + strlen(PLACE));
	}
}
