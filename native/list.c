/* See list.h. */
#include "list.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

void list_add(struct list *list, const char *item)
{
	/* full at every power of two, the terminating NULL counted */
	size_t needed = list->count + 2;

	if (!list->count || (needed & (needed - 1)) == 0)
		list->items = xrealloc(list->items, 2 * needed * sizeof *list->items);
	list->items[list->count++] = xmemdup(item, strlen(item) + 1);
	list->items[list->count] = NULL;
}

void list_remove(struct list *list, size_t index)
{
	free(list->items[index]);
	memmove(list->items + index, list->items + index + 1, (list->count - index) * sizeof *list->items);
	list->count--;
}

void list_free(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

struct list list_copy(const struct list *list)
{
	struct list copy = { NULL, 0 };

	for (size_t i = 0; i < list->count; i++)
		list_add(&copy, list->items[i]);
	return copy;
}

void text_replace(char **text, const char *fresh)
{
	free(*text);
	*text = xmemdup(fresh, strlen(fresh) + 1);
}
