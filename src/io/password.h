/* password.h - a password from standard input, typed or piped. */
#ifndef RF_IO_PASSWORD_H
#define RF_IO_PASSWORD_H

#include <stddef.h>

/*
 * rf_password_read reads the first line of standard input, without its end, and leaves the rest there. A terminal is asked with "password: " on
 * stderr and shows nothing of what is typed; a signal that ends the program gives it its echo back first.
 * out   out_size bytes with NUL; wiped after an error. The caller wipes it
 * Errors: RF_ENOTFOUND there is nothing, RF_ELIMIT longer than out_size - 1, RF_EFORMAT empty or with a NUL, RF_ESYSTEM.
 */
int rf_password_read(char *out, size_t out_size);

#endif
