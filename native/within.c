/* `tare-within user|mount IDENTITY MOUNTER PLACE NAME ROOT COMMAND ARGUMENT…`: a command that finds the repository which a mounter
 * keeps where a box has it, as ROOT/NAME: so what looks at an image in it finds the same by the same path, links included. */
#include "within.h"
#include "identity.h"
#include "util.h"
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FIRST_WORD = 8 };

int within_main(int argc, char **argv)
{
	struct identity identity = { 0 };
	struct view view = { 0 };
	const char *step = NULL, *what = NULL;

	if (argc <= FIRST_WORD || (strcmp(argv[3], "-") && !identity_parse(&identity, argv[3])))
		return EXIT_WRAPPER;
	const struct {
		bool begins;
		const char *text;
	} words[] = { { true, "take" }, { false, argv[4] },     { false, argv[5] }, { false, argv[6] },
		      { true, "namespace" }, { false, argv[2] }, { true, "give" }, { false, argv[7] } };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		view_add(&view, words[i].begins, words[i].text);
	if (!view_build(&view, &step, &what)) {
		dprintf(2, "%s %s: %s\n", step, what, strerror(errno));
		return EXIT_WRAPPER;
	}
	if (!identity_take(&identity, &what)) {
		dprintf(2, "%s: %s\n", what, strerror(errno));
		return EXIT_WRAPPER;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execv(argv[FIRST_WORD], argv + FIRST_WORD);
	dprintf(2, "%s: %s\n", argv[FIRST_WORD], strerror(errno));
	return EXIT_WRAPPER;
}
