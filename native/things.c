/* See things.h: a table with open addressing, at most half full. */
#include "things.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

/* The index at which a thing is, or would be. */
static size_t place_of(const struct things *things, uint64_t device, uint64_t number)
{
	uint64_t mixed = (number ^ (device << 32) ^ (device >> 32)) * 0x9e3779b97f4a7c15ULL;
	size_t at = (size_t)(mixed >> 20) & (things->room - 1);

	while (things->items[at].device != UINT64_MAX && (things->items[at].device != device || things->items[at].number != number))
		at = (at + 1) & (things->room - 1);
	return at;
}

/* Doubles the room. */
static void grow(struct things *things)
{
	struct things larger = { .count = things->count, .room = things->room ? things->room * 2 : 64 };

	larger.items = xrealloc(NULL, larger.room * sizeof *larger.items);
	memset(larger.items, 0xff, larger.room * sizeof *larger.items);
	for (size_t i = 0; i < things->room; i++) {
		const struct thing *item = &things->items[i];
		if (item->device != UINT64_MAX)
			larger.items[place_of(&larger, item->device, item->number)] = *item;
	}
	free(things->items);
	*things = larger;
}

bool things_add(struct things *things, uint64_t device, uint64_t number)
{
	if (things->count * 2 >= things->room)
		grow(things);
	size_t at = place_of(things, device, number);
	if (things->items[at].device != UINT64_MAX)
		return false;
	things->items[at] = (struct thing){ device, number };
	things->count++;
	return true;
}

bool things_have(const struct things *things, uint64_t device, uint64_t number)
{
	return things->room && things->items[place_of(things, device, number)].device != UINT64_MAX;
}
