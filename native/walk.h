/* The size of a tree of files. */
#pragma once

#include <stdbool.h>

/* Adds up a tree, which others change meanwhile, until it is late (look.h). Follows no link, and leaves its file system never. Takes the
 * directory over. False: not all of it could be read. */
bool walk_tree(int directory, long long *bytes, long long *files);
