/* The payload's filter on system calls. */
#pragma once

#include <stdbool.h>

/* Whether the text is a program: 16 hexadecimal digits for each instruction (of struct sock_filter: 4 of code, 2 of jt, 2 of jf, 8 of
 * k), and no more instructions than the kernel takes. Whether they make sense the kernel says. */
bool filter_valid(const char *text);

/* Loads the filter for this process and all that it starts. Needs no_new_privs, or CAP_SYS_ADMIN over its user namespace. False, with
 * errno. */
bool filter_load(const char *text);
