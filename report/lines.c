#include "report/lines.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *fs_trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

int fs_lines_read(const char *path, fs_line_reader *read, void *context, char *error,
                  size_t error_size) {
    FILE *file = fopen(path, "re");
    char *line = NULL, message[200];
    size_t room = 0;
    int result = 0;

    for (long number = 1; file && result == 0 && getline(&line, &room, file) >= 0; number++) {
        line[strcspn(line, "#")] = '\0';
        char *text = fs_trim(line);
        if (!*text) continue;
        result = read(text, context, message, sizeof message);
        if (result < 0) snprintf(error, error_size, "%s:%ld: %s", path, number, message);
    }
    if (!file || ferror(file)) {
        snprintf(error, error_size, "cannot read '%s': %s", path, strerror(errno));
        result = -1;
    }
    free(line);
    if (file) fclose(file);
    return result;
}
