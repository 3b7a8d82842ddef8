#include "report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes out too. */
static int write_and_close(FILE *out, int (*write)(FILE *out, void *data), void *data) {
    int result = write(out, data), error = errno;
    if (fclose(out) != 0 && result == 0) {
        result = -1;
        error = errno;
    }
    errno = error;
    return result;
}

static int write_in_place(const char *path, int (*write)(FILE *out, void *data), void *data) {
    FILE *out = fopen(path, "we");
    return out ? write_and_close(out, write, data) : -1;
}

static FILE *open_temporary(char *temporary) {
    const mode_t mask = umask(0);
    umask(mask);
    const int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0) return NULL;
    FILE *out = fchmod(descriptor, 0666 & ~mask) == 0 ? fdopen(descriptor, "w") : NULL;
    if (out) return out;
    const int error = errno;
    close(descriptor);
    unlink(temporary);
    errno = error;
    return NULL;
}

int fs_output_write(const char *path, int (*write)(FILE *out, void *data), void *data) {
    struct stat about;
    char temporary[PATH_MAX];
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
        return write_in_place(path, write, data);
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    FILE *out = open_temporary(temporary);
    if (!out) return -1;
    if (write_and_close(out, write, data) == 0 && rename(temporary, path) == 0) return 0;
    const int error = errno;
    unlink(temporary);
    errno = error;
    return -1;
}

void fs_output_error(const char *path, char *error, size_t error_size) {
    snprintf(error, error_size, "cannot write '%s': %s; give another place, or free some space",
             path, strerror(errno));
}
