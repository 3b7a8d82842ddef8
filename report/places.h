/*
 * places.h - names of places in the job's programs, for a line of a report.
 */
#ifndef FS_REPORT_PLACES_H
#define FS_REPORT_PLACES_H

#include "report/arena.h"
#include "report/model.h"

#include <stdbool.h>
#include <stddef.h>

/* Last component of a path; "?" for NULL. */
const char *fs_base_name(const char *path);

/* "pool.py:41 in main", else "symbol in module", else "module", else NULL. */
const char *fs_place_text(struct fs_arena *arena, const struct fs_place *place);

/* The same, but a C place of which no name is known is "module+0x1f", and any other "a place
 * that is not known". */
const char *fs_exact_place_text(struct fs_arena *arena, const struct fs_place *place);

/* Of C or Python frames, a line each and the innermost first, the first ones on one line: "a <
 * b". Frames of the recorder are left out. frames may be NULL. */
const char *fs_frames_text(struct fs_arena *arena, const char *frames, int most);

/*
 * Whether a Python frame, "file:line:function", is of that file and function (NULL: of any).
 * Files of Python's own library stand there without a folder, so a user's pool.py is not
 * multiprocessing's; a file that begins with '/' is the end of a path.
 */
bool fs_is_frame(const char *frame, size_t length, const char *file, const char *function);

/* Whether one of the frames, a line each, is. frames may be NULL. */
bool fs_has_frame(const char *frames, const char *file, const char *function);

#endif
