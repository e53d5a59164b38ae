/* Paths in /proc/PID/mountinfo, proc_pid_mountinfo(5). */
#pragma once

/* A blank, a tab, a newline and a backslash stand there as a backslash and three octal digits: makes them what they are, in place. What is
 * no such escape stays as it is. */
void mountinfo_unescape(char *text);
