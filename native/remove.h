/* Removes a tree of files. */
#pragma once

/* Removes a file, or a directory with all below it, as far as that is allowed; follows no link. A tree may be deeper than a path is long.
 * What fails once, for want of descriptors say, is tried once more. */
void remove_tree(const char *path);
