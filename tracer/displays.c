/*
 * displays.c - the X displays that hwloc could not open, and what their servers say.
 */
#include "tracer/evaluation.h"
#include "tracer/text.h"
#include "tracer/x_server.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_SIZE = 128 };

static void count_image(const struct fs_image *image, struct fs_closed_display *display) {
    if (image->display_client)
        display->clients++;
    else
        display->programs++;
    if (display->executable) return;
    display->pid = image->pid;
    display->executable = fs_copy_text(image->executable);
}

/* What the server said; a display without one is none that anything is printed for. */
static bool ask(struct fs_closed_display *display) {
    char reason[REASON_SIZE];
    const enum fs_x_answer answer = fs_x_ask(display->number, reason, sizeof reason);

    if (answer == FS_X_REFUSED) display->answer = FS_DISPLAY_REFUSED;
    if (answer == FS_X_ACCEPTED) display->answer = FS_DISPLAY_OPEN;
    if (answer == FS_X_REFUSED && reason[0]) display->reason = strdup(reason);
    return answer != FS_X_ABSENT;
}

int fs_evaluate_displays(const struct fs_evaluation *evaluation, bool live,
                         struct fs_digest *digest) {
    uint32_t closed = 0;

    digest->display_searches = 0;
    for (const struct fs_image *image = evaluation->table->images; image; image = image->next) {
        closed |= image->closed_displays;
        digest->display_searches += image->closed_displays != 0;
    }
    digest->displays_asked = live;
    digest->closed_displays = calloc(FS_DISPLAYS_MAX, sizeof *digest->closed_displays);
    if (!digest->closed_displays) return -1;
    for (int number = 0; live && number < FS_DISPLAYS_MAX; number++) {
        struct fs_closed_display display = {.number = number};
        if ((closed >> number & 1) == 0 || !ask(&display)) continue;
        for (const struct fs_image *image = evaluation->table->images; image; image = image->next)
            if (image->closed_displays >> number & 1) count_image(image, &display);
        digest->closed_displays[digest->closed_display_count++] = display;
    }
    return 0;
}
