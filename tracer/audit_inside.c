/* audit_inside.c - the records that processes of a recorded job carry themselves (audit.h). */
#include "tracer/audit.h"

#include "tracer/clock.h"
#include "tracer/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The recorder itself is not the job: its children are. */
static void step_inside(struct fs_audit *audit) {
    struct fs_proc *proc = audit->collector.sampler.proc;
    const struct fs_proc_stat *list;
    char path[PATH_MAX], own[PATH_MAX];
    size_t count, kept = 0;

    if (audit->root_count != 1 ||
        fs_proc_executable(proc, audit->roots[0], path, sizeof path, NULL))
        return;
    const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length < 0) return;
    own[length] = '\0';
    const int recorder = audit->roots[0];
    if (strcmp(path, own) != 0 || fs_proc_descendants(proc, &recorder, 1, &list, &count) != 0)
        return;
    int *roots = calloc(count + 1, sizeof *roots);
    for (size_t i = 0; roots && i < count; i++)
        if (list[i].ppid == recorder) roots[kept++] = list[i].pid;
    if (kept == 0) {
        free(roots);
        return;
    }
    free(audit->roots);
    audit->roots = roots;
    audit->root_count = kept;
}

static int find_folder(void *context, const char *name, size_t length, const char *value) {
    char *folder = context;

    if (!fs_text_is(name, length, FSP_ENV_DIR)) return 0;
    snprintf(folder, PATH_MAX, "%s", value);
    return 1;
}

void fs_audit_open_inside(struct fs_audit *audit) {
    struct fs_collector *collector = &audit->collector;
    char folder[PATH_MAX] = "", hidden[PATH_MAX + 8];
    struct stat status;

    if (collector->sampler.captured) return;
    step_inside(audit);
    if (fs_proc_environment(collector->sampler.proc, audit->roots[0], find_folder, folder, NULL) !=
            1 ||
        folder[0] != '/')
        return;
    if (lstat(folder, &status) != 0) { /* over its limit it has another name (collector.c) */
        snprintf(hidden, sizeof hidden, "%s.full", folder);
        if (lstat(hidden, &status) != 0) return;
        memcpy(folder, hidden, sizeof folder);
    }
    if (!S_ISDIR(status.st_mode) || (geteuid() != 0 && status.st_uid != geteuid())) return;
    if (fs_fold_open(&collector->fold, &collector->table, folder) != 0) return;
    collector->fold.read_only = true;
    collector->sampler.from_now = false;
    fs_fold_pass(&collector->fold, fs_audit_now(audit), false);
}

void fs_audit_count_inside(struct fs_audit *audit) {
    const struct fs_table *table = &audit->collector.table;
    bool whole = true;

    audit->facts.inside = 0;
    for (const struct fs_record *record = table->first; record; record = record->next) {
        const bool inside = record->witnesses & FS_WITNESS_SHIM;
        audit->facts.inside += inside;
        whole &= inside || record->over;
    }
    audit->facts.whole = whole && audit->facts.inside > 0;
}
