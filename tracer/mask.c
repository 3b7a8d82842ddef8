/* mask.c - see mask.h. */
#include "tracer/mask.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cursor {
    const char *at, *end;
};

/* A CPU number at the cursor, which moves behind it; -1: none, or out of range. */
static int take_cpu(struct cursor *cursor) {
    int cpu = -1;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
        cpu = (cpu < 0 ? 0 : cpu) * 10 + (*cursor->at - '0');
        if (cpu >= FS_MASK_CPUS) return -1;
    }
    return cpu;
}

static bool take(struct cursor *cursor, char character) {
    if (cursor->at == cursor->end || *cursor->at != character) return false;
    cursor->at++;
    return true;
}

int fs_mask_parse(hwloc_bitmap_t mask, const char *text, size_t length) {
    struct cursor cursor = {.at = text, .end = text + length};
    if (length && text[length - 1] == '\n') cursor.end--;
    hwloc_bitmap_zero(mask);
    if (cursor.at == cursor.end) return 0;
    do {
        const int first = take_cpu(&cursor);
        const int last = take(&cursor, '-') ? take_cpu(&cursor) : first;
        if (first < 0 || last < first) break;
        if (hwloc_bitmap_set_range(mask, (unsigned)first, last)) return -1;
        if (cursor.at == cursor.end) return 0;
    } while (take(&cursor, ','));
    hwloc_bitmap_zero(mask);
    errno = EBADMSG;
    return -1;
}

char *fs_mask_text(hwloc_const_bitmap_t mask) {
    char *text = NULL;
    return hwloc_bitmap_list_asprintf(&text, mask) < 0 ? NULL : text;
}

void fs_mask_from_words(hwloc_bitmap_t mask, const uint64_t *words, size_t count) {
    hwloc_bitmap_zero(mask);
    for (size_t i = 0; i < count; i++)
        for (uint64_t bits = words[i]; bits; bits &= bits - 1)
            hwloc_bitmap_set(mask, (unsigned)(i * 64) + (unsigned)__builtin_ctzll(bits));
}

int fs_mask_weight(hwloc_const_bitmap_t mask) {
    return mask ? hwloc_bitmap_weight(mask) : 0;
}

bool fs_mask_equal(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b) {
    return a && b ? hwloc_bitmap_isequal(a, b) : a == b;
}

hwloc_bitmap_t fs_mask_own(void) {
    /* glibc's fixed cpu_set_t is too small on large machines (EINVAL). */
    enum { BYTES = FS_MASK_CPUS / 8 };
    uint64_t *words = calloc(1, BYTES);
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (!words || !mask || sched_getaffinity(0, BYTES, (cpu_set_t *)words)) {
        hwloc_bitmap_free(mask);
        mask = NULL;
    } else {
        fs_mask_from_words(mask, words, BYTES / sizeof *words);
    }
    free(words);
    return mask;
}
