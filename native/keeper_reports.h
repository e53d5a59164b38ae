/* What a keeper reports, to the shim or to init. */
#pragma once

#include "keeper_state.h"

/* `failed`, at most once. `error`: errno, 0: none. */
void keeper_report_failed(struct keeper *keeper, const char *step_name, int error, const char *what);
/* `executed`. Of one of several applications it goes to the shim itself, whose socket is closed then. */
void keeper_report_executed(const struct keeper *keeper);
/* `stopped`: the payload's process has stopped, with that raw status. */
void keeper_report_stopped(const struct keeper *keeper, int status);
/* `ended`, when all children are reaped. */
void keeper_report_ended(const struct keeper *keeper);
/* A frame as it is. */
void keeper_report(const struct keeper *keeper, const char *bytes, size_t size);
