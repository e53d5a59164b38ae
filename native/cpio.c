/* See cpio.h. */
#include "cpio.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEADER_SIZE = 110, FILL = 4 };

static void add_bytes(struct archive *archive, const void *bytes, size_t size)
{
	if (archive->capacity - archive->size < size + FILL) {
		archive->capacity = 2 * (archive->capacity + size + FILL);
		archive->bytes = xrealloc(archive->bytes, archive->capacity);
	}
	if (size)
		memcpy(archive->bytes + archive->size, bytes, size);
	archive->size += size;
	while (archive->size % FILL)
		archive->bytes[archive->size++] = 0;
}

static void add_entry(struct archive *archive, const char *name, mode_t mode, const unsigned device[2], const void *content, size_t size)
{
	char *head = xprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", archive->inode++, (unsigned)mode, 0, 0,
			     S_ISDIR(mode) ? 2 : 1, 0, (unsigned)size, 0, 0, device[0], device[1], (unsigned)strlen(name) + 1, 0, name);

	add_bytes(archive, head, HEADER_SIZE + strlen(name) + 1);
	add_bytes(archive, content, size);
	free(head);
}

void archive_add(struct archive *archive, const char *name, mode_t mode, const void *content, size_t size)
{
	add_entry(archive, name, mode, (const unsigned[]){ 0, 0 }, content, size);
}

void archive_add_device(struct archive *archive, const char *name, mode_t mode, unsigned major, unsigned minor)
{
	add_entry(archive, name, S_IFCHR | mode, (const unsigned[]){ major, minor }, NULL, 0);
}

void archive_end(struct archive *archive)
{
	add_entry(archive, "TRAILER!!!", 0, (const unsigned[]){ 0, 0 }, NULL, 0);
}
