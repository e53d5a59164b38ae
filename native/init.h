#ifndef TARE_INIT_H
#define TARE_INIT_H

/* Process 1 of the box; its control socket is descriptor `control`. */
_Noreturn void init_main(const char *control);

#endif
