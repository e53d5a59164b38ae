/* A list of strings, which it owns. */
#pragma once

#include <stddef.h>

/* Empty when all is 0. */
struct list {
	char **items; /* NULL-terminated once it has an item */
	size_t count;
};

/* Adds a copy. */
void list_add(struct list *list, const char *item);
/* Removes the item at that index. */
void list_remove(struct list *list, size_t index);
/* A list of copies. */
struct list list_copy(const struct list *list);
/* Frees the items; the list itself is not to be used any more. */
void list_free(struct list *list);

/* One string: its copy takes the place of what was there, which is freed. */
void text_replace(char **text, const char *fresh);
