/* init of a box with several applications. */
#pragma once

#include "frame.h"
#include "payload.h"

/* `descriptors`: the caller's, for each of them. All is taken over. */
_Noreturn void applications_main(struct payload *payloads, size_t count, struct received *descriptors,
				 size_t descriptor_count, const struct channel *control);
