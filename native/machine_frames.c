/* See machine_frames.h. A letter: u64 time, u8 how many enclosures, each of them, tag of the frame, its strings. An enclosure: `m`, u32 size,
 * bytes; or `r`, `w` or `b`, u32 number of a stream. */
#include "machine_frames.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIME = 8, START = TIME + 1, NUMBER = 4, FILE_MAX = 32 << 20 };

static const char MEMORY = 'm';

/* Room for so many more bytes; the first ones are of the letter. */
static char *room_for(struct enclosures *enclosures, size_t size)
{
	if (!enclosures->size)
		enclosures->size = START;
	if (enclosures->capacity < enclosures->size + size) {
		enclosures->capacity = 2 * (enclosures->size + size);
		enclosures->bytes = xrealloc(enclosures->bytes, enclosures->capacity);
	}
	enclosures->size += size;
	return enclosures->bytes + enclosures->size - size;
}

bool enclose_file(struct enclosures *enclosures, int fd)
{
	struct stat found;

	if (fstat(fd, &found) || found.st_size > FILE_MAX) {
		errno = errno ? errno : EFBIG;
		return false;
	}
	char *head = room_for(enclosures, 1 + NUMBER + (size_t)found.st_size), *at = head + 1 + NUMBER;
	head[0] = MEMORY;
	put_number(head + 1, NUMBER, (uint64_t)found.st_size);
	enclosures->count++;
	for (off_t done = 0; done < found.st_size;) {
		ssize_t n = pread(fd, at + done, (size_t)(found.st_size - done), done);
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

void enclose_stream(struct enclosures *enclosures, uint32_t number, enum stream_way way)
{
	char *head = room_for(enclosures, 1 + NUMBER);

	head[0] = (char)way;
	put_number(head + 1, NUMBER, number);
	enclosures->count++;
}

void send_frame_letter(struct port *port, const struct frame *frame, struct enclosures *enclosures)
{
	char *tag = room_for(enclosures, 1);

	*tag = frame->tag;
	put_number(enclosures->bytes, TIME, (uint64_t)monotonic_us());
	enclosures->bytes[TIME] = (char)enclosures->count;
	port_send_parts(port, LETTER_FRAME, enclosures->bytes, enclosures->size, frame->at, (size_t)(frame->end - frame->at));
	free(enclosures->bytes);
	*enclosures = (struct enclosures){ 0 };
}

bool open_frame_letter(struct frame_letter *opened, const struct letter *letter)
{
	if (letter->size < START + 1)
		return false;
	*opened = (struct frame_letter){
		.sent_us = (long long)get_number(letter->bytes, TIME),
		.count = (unsigned char)letter->bytes[TIME],
		.at = letter->bytes + START,
		.end = letter->bytes + letter->size,
	};
	return true;
}

bool next_enclosure(struct frame_letter *opened, struct enclosure *enclosure)
{
	size_t left = (size_t)(opened->end - opened->at);

	if (!opened->count || left < 1 + NUMBER)
		return false;
	char kind = *opened->at;
	size_t number = (size_t)get_number(opened->at + 1, NUMBER);
	opened->at += 1 + NUMBER;
	opened->count--;
	*enclosure = (struct enclosure){ .number = (uint32_t)number, .way = (enum stream_way)kind };
	if (kind != MEMORY)
		return kind == WAY_READ || kind == WAY_WRITE || kind == WAY_BOTH;
	if (left - 1 - NUMBER < number)
		return false;
	enclosure->bytes = opened->at;
	enclosure->size = number;
	opened->at += number;
	return true;
}

bool letter_frame(const struct frame_letter *opened, struct frame *frame)
{
	if (opened->count || opened->at >= opened->end || (opened->end - opened->at > 1 && opened->end[-1]))
		return false;
	*frame = (struct frame){ .tag = *opened->at, .at = opened->at + 1, .end = opened->end };
	return true;
}
