#include "mountinfo.h"

#include <stdbool.h>

static bool is_octal(char character)
{
	return character >= '0' && character <= '7';
}

void mountinfo_unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++)
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && is_octal(from[2]) && is_octal(from[3])) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	*to = 0;
}
