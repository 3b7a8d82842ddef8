/*
 * shm.c - names in /dev/shm that the job makes and forgets.
 *
 * Normal code.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "preload/shim.h"

static void note(enum fsp_event_kind kind, const char *name) {
    const int error = errno;

    fsp_event_text(kind, 0, 0, name);
    fsp_keep_errno(error);
}

FSP_EXPORT int shm_open(const char *name, int flags, mode_t mode) {
    const int fd = FSP_REAL(shm_open)(name, flags, mode);

    if (fd >= 0 && (flags & O_CREAT) != 0 && fsp_ready()) note(FSP_EVENT_SHM_CREATE, name);
    return fd;
}

FSP_EXPORT int shm_unlink(const char *name) {
    const int result = FSP_REAL(shm_unlink)(name);

    if (result == 0 && fsp_ready()) note(FSP_EVENT_SHM_UNLINK, name);
    return result;
}
