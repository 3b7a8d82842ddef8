/*
 * x_server.h - what an X server of this machine says to a client with the user's cookie.
 *
 * The first message of the X protocol and the answer to it, nothing more: the connection
 * is closed then. Half a second is the limit for all of it.
 */
#ifndef FS_X_SERVER_H
#define FS_X_SERVER_H

#include <stddef.h>

enum fs_x_answer { FS_X_ABSENT, FS_X_NO_ANSWER, FS_X_REFUSED, FS_X_ACCEPTED };

/* Key of a display as an Xauthority file holds it. */
struct fs_x_cookie {
    const char *name; /* not terminated; NULL: there is none for that display */
    const unsigned char *data;
    size_t name_length, data_length;
};

/*
 * The MIT-MAGIC-COOKIE-1 that libX11 would take for display number of this host out of an
 * Xauthority file (size bytes, any content); into it the result points.
 */
struct fs_x_cookie fs_x_cookie_find(const void *file, size_t size, const char *host, int number);

/*
 * Asks the server of a display (0 to 99) by its local socket or the loopback device, with
 * the cookie of $XAUTHORITY or ~/.Xauthority. reason gets what a refusal says, as
 * printable ASCII; else it is empty.
 */
enum fs_x_answer fs_x_ask(int number, char *reason, size_t size);

#endif
