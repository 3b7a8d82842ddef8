/* digest_fields_displays.c - the members of the structures of digest_displays.h. */
#include "tracer/digest_fields.h"

static const struct fs_field closed_display_field[] = {
    FIELD(fs_closed_display, ID, "number", number, .max = FS_DISPLAYS_MAX - 1),
    FIELD(fs_closed_display, ID, "answer", answer, .max = FS_DISPLAY_COUNT - 1),
    FIELD(fs_closed_display, STRING, "reason", reason),
    FIELD(fs_closed_display, STRING, "exe", executable),
    FIELD(fs_closed_display, ID, "pid", pid),
    FIELD(fs_closed_display, ID, "programs", programs),
    FIELD(fs_closed_display, ID, "clients", clients),
};
const struct fs_fields fs_closed_display_fields = TABLE(closed_display_field, fs_closed_display);
