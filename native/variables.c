/* See variables.h. */
#include "variables.h"

#include <string.h>

static bool same_name(const char *entry, const char *name, size_t length)
{
	return !strncmp(entry, name, length) && entry[length] == '=';
}

bool variable_unset(struct list *environment, const char *name)
{
	size_t length = strlen(name);

	if (!length || memchr(name, '=', length))
		return false;
	for (size_t i = environment->count; i-- > 0;)
		if (same_name(environment->items[i], name, length))
			list_remove(environment, i);
	return true;
}

bool variable_set(struct list *environment, const char *entry)
{
	const char *equals = strchr(entry, '=');
	bool placed = false;

	if (!equals || equals == entry)
		return false;
	for (size_t i = 0; i < environment->count; i++) {
		if (!same_name(environment->items[i], entry, (size_t)(equals - entry)))
			continue;
		if (placed)
			list_remove(environment, i--);
		else
			text_replace(&environment->items[i], entry);
		placed = true;
	}
	if (!placed)
		list_add(environment, entry);
	return true;
}
