/* Starts of applications. */
#pragma once

#include "applications_state.h"

#include <stdbool.h>
#include <stddef.h>

/* A start of it is not answered for. */
bool application_is_busy(const struct application *application);

/* Forks a keeper for its start. Where that fails the shim is told. */
void application_start(struct applications *box, struct application *application);

/* Closes the descriptors. */
void close_received(const struct received *all, size_t count);
