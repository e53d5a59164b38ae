/* The clock of a virtual machine that is emulated: it reads this processor's counter, and has no other clock to measure that by. */
#pragma once

/* Puts the counter's frequency in kHz in place of `{khz}` in each of the words, the last of which is NULL. */
void machine_clock_tell(char **words);
