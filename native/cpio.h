/* Archives as the kernel unpacks them into its first root (initramfs): format "newc" of cpio(5), initramfs-buffer-format.rst. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct archive {
	char *bytes; /* the caller's to free */
	size_t size, capacity;
	unsigned inode;
};

/* Adds a file (S_IFREG), or a directory (S_IFDIR), of root's; the name has no slash at its beginning. */
void archive_add(struct archive *archive, const char *name, mode_t mode, const void *content, size_t size);
/* Adds a device of characters. */
void archive_add_device(struct archive *archive, const char *name, mode_t mode, unsigned major, unsigned minor);
/* Adds the entry that ends an archive. */
void archive_end(struct archive *archive);
