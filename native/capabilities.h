/* What this process, and programs that it executes, may (capabilities(7)). Where a function returns false, errno says why. */
#pragma once

#include <stdbool.h>

/* Programs that this process executes get no capabilities but these (bit N is capability N). For one whose uid is 0 an exec would bring
 * them all back. */
bool bound_set(unsigned long long kept);
/* Reduces the bounding set and this process's own capabilities to `kept`. */
bool bound_capabilities(unsigned long long kept);

/* What this process may in its user namespace, a program that it executes may too. */
bool hand_capabilities_on(void);
