/*
 * digest_displays.h - X displays that hwloc could not open. See digest.h for the
 * conventions.
 */
#ifndef FS_DIGEST_DISPLAYS_H
#define FS_DIGEST_DISPLAYS_H

enum { FS_DISPLAYS_MAX = 10 }; /* hwloc tries ":0" to ":9" */

enum fs_display_answer {
    FS_DISPLAY_UNASKED = 0, /* forksight could not ask the server, or it went away */
    FS_DISPLAY_REFUSED,     /* it refused forksight as well, with the same cookie */
    FS_DISPLAY_OPEN,        /* it accepted that */
    FS_DISPLAY_COUNT
};

/* A display with a server that hwloc's search for graphics cards could not open. */
struct fs_closed_display {
    int number; /* 0: ":0" */
    enum fs_display_answer answer;
    char *reason;     /* in the server's words; NULL: none */
    char *executable; /* of a program whose hwloc could not open it */
    int pid;
    int programs; /* that called hwloc so and asked for no display themselves */
    int clients;  /* ... and that did, too */
};

#endif
