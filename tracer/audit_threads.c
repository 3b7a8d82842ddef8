/*
 * audit_threads.c - the libraries in a process, and which of them started its threads.
 *
 * glibc keeps what it knows of a thread in a structure at the upper end of the thread's stack.
 * On x86-64 it begins with its own address, has it again 16 bytes on, then the thread's number,
 * and further on the start routine: read with one system call for many stacks, without touching
 * the threads. What does not look like that is not taken for one.
 */
#include "tracer/audit.h"

#include "tracer/libraries.h"
#include "tracer/proc_handle.h"
#include "tracer/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TOP_SIZE = 4096, STACKS_MAX = 1024, BATCH = 64, TID_AT = 0x2d0, ROUTINE_FROM = 0x600 };
enum { ROUTINE_UNTIL = 0x700, CODE_MAX = 2048 };

struct code { /* mapped to be run */
    uint64_t from, until, base;
    const char *path; /* interned */
};

struct survey {
    struct fs_audit *audit;
    struct fs_record *record;
    struct code *code;
    size_t code_count;
    uint64_t *tops; /* upper ends of what may be stacks */
    size_t top_count;
    int64_t now;
};

/* --- maps --- */

static void add_loading(struct survey *survey, const char *path, uint64_t key) {
    struct fs_table *table = &survey->audit->collector.table;
    const struct fs_image *image = fs_record_image(survey->record);
    uint32_t families = fs_library_of(path);

    for (; image && families; families &= families - 1) {
        struct fs_loading *loadings =
            fs_table_grow(table, table->loadings, table->loading_count, sizeof *loadings);
        if (!loadings) return;
        table->loadings = loadings;
        loadings[table->loading_count++] =
            (struct fs_loading){.t = survey->now + 1,
                                .t_before = FS_UNKNOWN,
                                .pid = survey->record->pid,
                                .image = image,
                                .family = families & -families,
                                .object = {.image = image->key, .key = key}};
    }
}

/* The site that stands for an object, or for a start routine in it. */
static struct fs_site *site_of(struct survey *survey, uint64_t key, const char *path) {
    struct fs_table *table = &survey->audit->collector.table;
    const struct fs_image *image = fs_record_image(survey->record);
    const struct fs_site_key id = {.image = image ? image->key : 0, .key = key};
    struct fs_site *site = fs_table_site_of(table, id);

    if (site || !id.image) return site;
    site = calloc(1, sizeof *site);
    if (!site) return NULL;
    site->id = id;
    site->kind = FSP_SITE_OBJECT;
    site->module = path;
    HASH_ADD(hh, table->sites, id, sizeof site->id, site);
    return site;
}

/* An object is named by where its text is kept. */
static uint64_t key_of(const char *path) {
    return (uint64_t)(uintptr_t)path;
}

struct line {
    unsigned long long from, until, offset;
    char access[5];
    char *path; /* "": anonymous */
};

static bool parse(char *text, struct line *line) {
    int path = 0;

    if (sscanf(text, "%llx-%llx %4s %llx %*s %*s %n", &line->from, &line->until, line->access,
               &line->offset, &path) < 4 ||
        path == 0 || line->from >= line->until)
        return false;
    line->path = text + path;
    return true;
}

static void take_line(struct survey *survey, const struct line *line) {
    struct fs_interned *interned = &survey->audit->collector.table.interned;
    const bool runs = line->access[2] == 'x';

    if (line->path[0] == '/' && runs && survey->code_count < CODE_MAX) {
        const char *path = fs_intern(interned, line->path, strlen(line->path));
        if (!path) return;
        survey->code[survey->code_count++] =
            (struct code){line->from, line->until, line->from - line->offset, path};
        for (size_t i = 0; i + 1 < survey->code_count; i++)
            if (survey->code[i].path == path) return;
        if (fs_library_of(path) && site_of(survey, key_of(path), path))
            add_loading(survey, path, key_of(path));
    } else if (line->path[0] == '\0' && fs_begins(line->access, "rw") &&
               line->until - line->from >= TOP_SIZE && survey->top_count < STACKS_MAX) {
        survey->tops[survey->top_count++] = line->until;
    }
}

static int read_maps(struct survey *survey) {
    const int file =
        fs_proc_open_file(survey->audit->collector.sampler.proc, survey->record->pid, 0, "maps");
    FILE *maps = file < 0 ? NULL : fdopen(file, "r");
    char *text = NULL;
    size_t room = 0;
    struct line line;

    if (!maps) {
        if (file >= 0) close(file);
        return -1;
    }
    for (ssize_t length; (length = getline(&text, &room, maps)) > 0;) {
        if (text[length - 1] == '\n') text[length - 1] = '\0';
        if (parse(text, &line)) take_line(survey, &line);
    }
    free(text);
    fclose(maps);
    return 0;
}

/* --- the tops of stacks --- */

static const struct code *code_at(const struct survey *survey, uint64_t address) {
    for (size_t i = 0; i < survey->code_count; i++)
        if (address >= survey->code[i].from && address < survey->code[i].until)
            return &survey->code[i];
    return NULL;
}

static struct fs_thread *thread_of(struct fs_record *record, int tid) {
    for (size_t i = 0; i < record->thread_count; i++)
        if (record->threads[i].tid == tid) return &record->threads[i];
    return NULL;
}

static uint64_t word_at(const unsigned char *from) {
    uint64_t word;

    memcpy(&word, from, sizeof word);
    return word;
}

/* The description of a thread at `at` of a copy of memory that begins at `base`. */
static void take_thread(struct survey *survey, const unsigned char *copy, size_t at) {
    int32_t tid;

    memcpy(&tid, copy + at + TID_AT, sizeof tid);
    struct fs_thread *thread = thread_of(survey->record, tid);
    if (!thread) return;
    for (size_t offset = ROUTINE_FROM; offset < ROUTINE_UNTIL; offset += sizeof(uint64_t)) {
        const uint64_t word = word_at(copy + at + offset);
        const struct code *code = code_at(survey, word);
        if (!code) continue;
        struct fs_site *site =
            site_of(survey, key_of(code->path) ^ (word - code->base) << 16, code->path);
        if (!site) return;
        site->kind = FSP_SITE_ROUTINE;
        site->offset = word - code->base;
        thread->routine = site->id;
        return;
    }
}

static void search(struct survey *survey, const unsigned char *copy, uint64_t top) {
    const uint64_t base = top - TOP_SIZE;

    for (size_t at = 0; at + ROUTINE_UNTIL <= TOP_SIZE; at += 64)
        if (word_at(copy + at) == base + at && word_at(copy + at + 16) == base + at)
            take_thread(survey, copy, at);
}

static void read_tops(struct survey *survey) {
#ifdef __x86_64__
    static unsigned char copies[BATCH][TOP_SIZE];

    for (size_t first = 0; first < survey->top_count; first += BATCH) {
        struct iovec into[BATCH], from[BATCH];
        size_t count = survey->top_count - first;
        if (count > BATCH) count = BATCH;
        for (size_t i = 0; i < count; i++) {
            into[i] = (struct iovec){copies[i], TOP_SIZE};
            from[i] =
                (struct iovec){(void *)(uintptr_t)(survey->tops[first + i] - TOP_SIZE), TOP_SIZE};
        }
        const ssize_t got = process_vm_readv(survey->record->pid, into, count, from, count, 0);
        if (got <= 0) continue;
        for (size_t i = 0; i < (size_t)got / TOP_SIZE; i++)
            search(survey, copies[i], survey->tops[first + i]);
    }
#else
    (void)search;
    (void)survey;
#endif
}

/* --- */

static void list_threads(struct survey *survey) {
    struct fs_table *table = &survey->audit->collector.table;
    struct fs_record *record = survey->record;
    const int *tids;
    size_t count;

    if (fs_proc_tids(survey->audit->collector.sampler.proc, record->pid, &tids, &count) != 0)
        return;
    table->threads += (int64_t)count - 1;
    for (size_t i = 0; i < count; i++) {
        if (tids[i] == record->pid) continue;
        struct fs_thread *threads =
            fs_table_grow(table, record->threads, record->thread_count, sizeof *threads);
        if (!threads) return;
        record->threads = threads;
        threads[record->thread_count++] =
            (struct fs_thread){.tid = tids[i], .t_start = survey->now + 1, .t_end = FS_UNKNOWN};
    }
    record->threads_started = (uint32_t)record->thread_count;
}

void fs_audit_threads(struct fs_audit *audit, struct fs_record *record, int64_t now) {
    struct survey survey = {.audit = audit, .record = record, .now = now};

    survey.code = calloc(CODE_MAX, sizeof *survey.code);
    survey.tops = calloc(STACKS_MAX, sizeof *survey.tops);
    if (record->thread_count == 0) list_threads(&survey);
    if (survey.code && survey.tops && read_maps(&survey) == 0 && record->thread_count > 0 &&
        !audit->collector.sampler.captured)
        read_tops(&survey);
    free(survey.code);
    free(survey.tops);
}
