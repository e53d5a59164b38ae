#pragma once

/* Process 1 of the box; its control socket is descriptor `control`. */
_Noreturn void init_main(const char *control);
