/* Arguments and variables that a caller, a supervisor or a batch system chooses. The first byte says which. */
#include "world.h"
#include "../join.c"
#include "../glance.c"
#undef GLANCE_FILE
#include "../supervisor.c"
#include "../account.c"
#include "../identity.h"
#include "../parts.h"
#include "../starter.h"

static void identities(const char *text)
{
	struct identity identity = { 0 };

	if (identity_parse(&identity, text) && !identity.wanted)
		broken("an identity that is read is wanted");
	free(identity.groups);
}

/* A row of words, as execve would have them. */
static char **words_of(char *text, int *count)
{
	static char *words[64];

	*count = 0;
	words[(*count)++] = (char *)"tare";
	for (char *word; *count < 63 && (word = strsep(&text, "\n"));)
		words[(*count)++] = word;
	words[*count] = NULL;
	return words;
}

/* What a job has named, below a directory. */
static void paths(char *below)
{
	struct place place;

	if (!find(&place, "/work", below))
		return;
	if (!*place.name || !strcmp(place.name, "..") || strchr(place.name, '/'))
		broken("a name is one of the directory's");
	close(place.parent);
}

static void numbers(const char *text)
{
	char again[32];
	long number;

	if (!parse_number(text, -(1L << 40), 1L << 40, &number))
		return;
	snprintf(again, sizeof again, "%ld", number);
	const char *digits = text + (*text == '-');
	if (strcmp(text, again) && *digits != '0')
		broken("a number is printed as it was written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct caller caller;
	int count;

	if (!size)
		return 0;
	char *text = text_of(data + 1, size - 1), **words;
	world_file_is(data + 1, size - 1);
	switch (*data) {
	case 'i':
		identities(text);
		break;
	case 'n':
		numbers(text);
		break;
	case 'p':
		parts_valid(text);
		break;
	case 'a':
		paths(text);
		break;
	case 'j':
		is_wanted(text, "user");
		break;
	case 'g':
		if (!strncmp(text, "runs", 4) || !strncmp(text, "write", 5))
			break; /* they start and write */
		holds(text);
		break;
	case 'e':
		words = words_of(text, &count);
		caller = (struct caller){ .argc = count, .argv = words, .environment = words };
		starter_tell(&caller, "words");
		starter_forget(&caller);
		char **argv = supervisor_argv("/bin/node", "script", "@shim=3", &caller, true);
		if (strcmp(argv[2], "@shim=3"))
			broken("a caller's word is not the shim's");
		for (int i = 0; i < 3; i++)
			free(argv[i]);
		free(argv);
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
