/*
 * given.c - see given.h. Any context.
 */
#include "preload/given.h"

#include <errno.h>
#include <limits.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

enum { NO_SUCH_WAY = -1, MASK_BYTES = 8 };

/* The mask is asked for where it lies in one page with the byte. */
bool fsp_given_there(struct fsp_given *given, const void *at) {
    const uintptr_t page = (uintptr_t)at / FSP_PAGE;
    uintptr_t *known = &given->page[page % FSP_GIVEN_PAGES];

    if (page == 0) return false;
    if (*known == page) return true;
    if (fsp_call(SYS_rt_sigprocmask, NO_SUCH_WAY, (long)((uintptr_t)at & -(uintptr_t)MASK_BYTES), 0,
                 MASK_BYTES) == -EFAULT)
        return false;
    *known = page;
    return true;
}

static bool begins_page(const char *at) {
    return (uintptr_t)at % FSP_PAGE == 0;
}

size_t fsp_given_length(struct fsp_given *given, const char *text, size_t most) {
    size_t length = 0;

    for (; length < most; length++) {
        if ((length == 0 || begins_page(text + length)) && !fsp_given_there(given, text + length))
            return FSP_GIVEN_NOWHERE;
        if (text[length] == '\0') break;
    }
    return length;
}

bool fsp_given_starts(struct fsp_given *given, const char *text, const char *prefix) {
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        if ((i == 0 || begins_page(text + i)) && !fsp_given_there(given, text + i)) return false;
        if (text[i] != prefix[i]) return false;
    }
    return true;
}

static void copy(char *field, size_t size, const char *from, size_t length) {
    struct fsp_text text = {.buffer = field, .size = size};

    fsp_text_bytes(&text, from, length);
}

void fsp_given_copy(struct fsp_given *given, char *field, size_t size, const char *text) {
    const size_t length = fsp_given_length(given, text, size - 1);

    copy(field, size, text, length != FSP_GIVEN_NOWHERE ? length : 0);
}

void fsp_given_copy_tail(struct fsp_given *given, char *field, size_t size, const char *text) {
    const size_t length = fsp_given_length(given, text, PATH_MAX);
    const size_t kept = length < size ? length : size - 1;

    if (length != FSP_GIVEN_NOWHERE)
        copy(field, size, text + length - kept, kept);
    else
        field[0] = '\0';
}
