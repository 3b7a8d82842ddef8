/*
 * audit_given.c - the CPUs that Slurm gave to tasks, as their environments tell (audit.h).
 *
 * Slurm tells a task how it bound all tasks of its node, a mask each in their order:
 * SLURM_CPU_BIND_LIST=0x3,0xC. A task with another mask than that has changed it itself.
 */
#include "tracer/audit.h"

#include "tracer/scheduler.h"
#include "tracer/tasks.h"
#include "tracer/text.h"

#include <stdlib.h>
#include <string.h>

enum { MASK_TEXT_MAX = 4096 };

struct given {
    char *list;
    bool masks; /* that is what the list has; else numbers of CPUs, or nothing */
    int local_rank;
};

static int take(void *context, const char *name, size_t length, const char *value) {
    struct given *given = context;

    if (fs_text_is(name, length, "SLURM_CPU_BIND_LIST") && !given->list)
        given->list = strdup(value);
    else if (fs_text_is(name, length, "SLURM_CPU_BIND_TYPE"))
        given->masks = fs_begins(value, "mask_cpu");
    else if (fs_text_is(name, length, "SLURM_LOCALID"))
        given->local_rank = fs_count_of(value);
    return 0;
}

/* A list that is too short is begun again. */
static const char *element(const char *list, int index) {
    int count = 1;

    for (const char *at = list; *at; at++)
        count += *at == ',';
    for (index %= count; index > 0; index--)
        list = strchr(list, ',') + 1;
    return list;
}

static bool read_mask(const struct given *given, hwloc_bitmap_t mask) {
    char text[MASK_TEXT_MAX];

    if (!given->masks || !given->list || given->local_rank < 0) return false;
    const char *at = element(given->list, given->local_rank);
    const size_t length = strcspn(at, ",");
    if (length < 3 || length >= sizeof text || !fs_begins(at, "0x") ||
        strspn(at + 2, "0123456789abcdefABCDEF") + 2 != length)
        return false;
    memcpy(text, at, length);
    text[length] = '\0';
    return hwloc_bitmap_taskset_sscanf(mask, text) == 0 && !hwloc_bitmap_iszero(mask);
}

static uint32_t given_to(struct fs_audit *audit, const struct fs_record *record) {
    struct given given = {.local_rank = FS_UNKNOWN};
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    uint32_t number = 0;

    fs_proc_environment(audit->collector.sampler.proc, record->pid, take, &given, NULL);
    if (mask && read_mask(&given, mask))
        number = fs_intern_mask(&audit->collector.table.interned, mask);
    hwloc_bitmap_free(mask);
    free(given.list);
    return number;
}

void fs_audit_given(struct fs_audit *audit) {
    const struct fs_table *table = &audit->collector.table;

    audit->facts.given = 0;
    for (struct fs_record *record = table->first; record; record = record->next) {
        if (record->over || record->zombie || !fs_record_is_task(table, record)) continue;
        record->given = given_to(audit, record);
        audit->facts.given += record->given != 0;
    }
}
