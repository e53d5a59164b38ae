/* What init of several applications reports to the shim, and the figures in that. */
#pragma once

#include "applications_state.h"

#include <sys/resource.h>

/* The index under which the shim knows it. */
size_t applications_index(const struct applications *box, const struct application *application);

/* No keeper could be had for this start, for the reason that errno says. */
void applications_report_unstarted(const struct applications *box, const struct application *application, const char *what);
/* This start has ended. Its figures are in the sum from now on. */
void applications_report_ended(struct applications *box, const struct application *application);
/* All has ended. */
void applications_report_all_ended(const struct applications *box);

/* From the keeper: `stopped`, which is passed on, and `ended`, or `failed` of this start, which gets its place and is kept until the
 * keeper was reaped. */
void applications_take_report(const struct applications *box, struct application *application, const struct frame *frame);

/* Adds what a child that was reaped has used. */
void applications_add_usage(struct report *report, const struct rusage *usage);
