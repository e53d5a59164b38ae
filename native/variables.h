/* Variables of an environment that is a list (NAME=VALUE each). */
#pragma once

#include "list.h"

#include <stdbool.h>

/* `NAME=VALUE`, in the place where the variable was: some programs care about the order. False: it has no name. */
bool variable_set(struct list *environment, const char *entry);
/* False: it is no name. One that is not there is as good. */
bool variable_unset(struct list *environment, const char *name);
