/* step_environment.c - see step_environment.h. */
#include "tracer/step_environment.h"

#include "tracer/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 1 << 20 };
static const char file_name[] = "step";

void fs_step_environment_store(const char *folder) {
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", folder, file_name);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *out = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!out) return;
    for (char **entry = environ; *entry; entry++)
        if (fs_begins(*entry, "SLURM")) fwrite(*entry, strlen(*entry) + 1, 1, out);
    fclose(out);
}

char **fs_step_environment_load(const char *folder) {
    char path[PATH_MAX + 16];
    size_t count = 0;

    snprintf(path, sizeof path, "%s/%s", folder, file_name);
    const int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const off_t size = descriptor < 0 ? 0 : lseek(descriptor, 0, SEEK_END);
    char *text = size > 0 && size <= SIZE_MAX_BYTES ? malloc((size_t)size + 1) : NULL;
    const ssize_t length = text && descriptor >= 0 ? pread(descriptor, text, (size_t)size, 0) : -1;
    if (descriptor >= 0) close(descriptor);
    char **list = NULL;
    if (length > 0) {
        text[length] = '\0';
        for (ssize_t i = 0; i <= length; i++)
            count += text[i] == '\0';
        list = malloc((count + 1) * sizeof *list + (size_t)length + 1);
    }
    if (list) {
        char *copy = memcpy((char *)(list + count + 1), text, (size_t)length + 1);
        count = 0;
        for (char *entry = copy; entry < copy + length; entry += strlen(entry) + 1)
            list[count++] = entry;
        list[count] = NULL;
    }
    free(text);
    return list;
}
