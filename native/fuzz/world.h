/* What a harness has in place of the world: the calls that would change something outside the process do nothing and say so, and
 * a role that ends comes back to its harness. */
#pragma once

#include "../frame.h"
#include "../payload.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where `_exit` goes on. */
extern jmp_buf world_end;
/* What open(2) and openat(2) open, whatever the path; -1: ENOENT. The descriptor is the harness's. */
extern int world_file;
/* What fork(2) returns; -1: EAGAIN. */
extern int world_child;

/* A property does not hold: ends as a crash does, with the words. */
_Noreturn void broken(const char *words);

/* A memfd with these bytes, at its beginning. It is reused: what was there before is gone. */
void world_file_is(const void *bytes, size_t size);

/* An input that ends with a NUL, and has none before. The caller frees it. */
char *text_of(const uint8_t *data, size_t size);

/* An input is a row of frames: a form feed ends one, a newline ends one of its strings, a vertical tab is a newline in it. Their first
 * byte is `key`, their second the tag. */
struct script {
	const uint8_t *at, *end;
	char key;
	struct message frame; /* to be sent, or taken by script_frame */
};

/* False after the last. The frame is in `frame` and freed with message_free. */
bool script_next(struct script *script);
/* As its reader would see it. */
struct frame script_frame(struct script *script);
/* Into a socket that is not read meanwhile: what has no room is left away. */
void script_write(struct script *script, int socket);

/* What payload_load has taken: in the program it lives until the exec. */
void payload_release(struct payload *payload);
