/* What a daemon that finds paths with root's rights has put into a box: whether it is what the box's account has at these paths. */
#pragma once

#include <stddef.h>

/* Texts, one after the other, each with a NUL behind it. */
struct shown {
	char *text;
	size_t size;
};

/* `IDENTITY [KIND SOURCE PLACE]…` up to `--`, or nothing: opens what the account finds at each SOURCE, for good. Dies where it finds nothing. */
void shown_find(struct shown *shown, char **words);

/* Whether these words have that form. */
_Bool shown_are(char **words);

/* Reads so many bytes of such texts; dies where there are fewer. */
void shown_receive(struct shown *shown, int connection, size_t size);

/* In the box: dies where something else is at a PLACE than the account had found. */
void shown_check(const struct shown *shown);
