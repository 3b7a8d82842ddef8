/* places.c - see places.h. */
#include "report/places.h"

#include "tracer/text.h"

#include <string.h>

const char *fs_base_name(const char *path) {
    if (!path || !*path) return "?";
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

const char *fs_place_text(struct fs_arena *arena, const struct fs_place *place) {
    if (place->file && *place->file) {
        const char *file = fs_base_name(place->file);
        const char *at =
            place->line > 0 ? fs_arena_printf(arena, "%s:%d", file, place->line) : file;
        return place->function ? fs_arena_printf(arena, "%s in %s", at, place->function) : at;
    }
    if (!place->module) return NULL;
    return place->function
               ? fs_arena_printf(arena, "%s in %s", place->function, fs_base_name(place->module))
               : fs_base_name(place->module);
}

const char *fs_exact_place_text(struct fs_arena *arena, const struct fs_place *place) {
    const char *text = fs_place_text(arena, place);

    if (text && !place->file && !place->function)
        return fs_arena_printf(arena, "%s+%#llx", text, (unsigned long long)place->offset);
    return text ? text : "a place that is not known";
}

const char *fs_frames_text(struct fs_arena *arena, const char *frames, int most) {
    const char *text = "";

    for (const char *line = frames; line && *line && most > 0; line += *line == '\n') {
        const char *frame = fs_arena_printf(arena, "%.*s", (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
        if (strstr(frame, "(libforksight")) continue;
        text = fs_arena_printf(arena, "%s%s%s", text, *text ? " < " : "", frame);
        most--;
    }
    return text;
}

static bool ends_with(const char *text, size_t length, const char *end) {
    const size_t end_length = strlen(end);
    return length >= end_length && strncmp(text + length - end_length, end, end_length) == 0;
}

bool fs_is_frame(const char *frame, size_t length, const char *file, const char *function) {
    const char *colon = memchr(frame, ':', length);
    if (!colon) return false;
    const size_t file_length = (size_t)(colon - frame);
    const bool same_file =
        *file == '/' ? ends_with(frame, file_length, file) : fs_text_is(frame, file_length, file);
    if (!same_file || !function) return same_file;
    const size_t name_length = strlen(function);
    return length > name_length && frame[length - name_length - 1] == ':' &&
           ends_with(frame, length, function);
}

bool fs_has_frame(const char *frames, const char *file, const char *function) {
    for (; frames && *frames; frames += strcspn(frames, "\n"), frames += *frames == '\n')
        if (fs_is_frame(frames, strcspn(frames, "\n"), file, function)) return true;
    return false;
}
