/*
 * Prints the slots of segment files, one line each, for tests of the preload
 * object alone. usage: segments FILE...
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../preload/segment.h"
#include "../../preload/snapshot.h"

static const char *const births[FSP_BIRTH_COUNT] = {
    "unknown", "image", "fork", "_Fork", "vfork", "clone", "spawn", "atfork", "daemon", "forkpty"};
static const char *const exits[FSP_EXIT_COUNT] = {"none", "exit", "_exit", "quick_exit", "abort"};
static const char *const events[FSP_EVENT_COUNT] = {
    "none",       "setenv", "unsetenv", "kill",       "fork_failed", "thread_failed", "system",
    "system_end", "reaped", "repaired", "shm_create", "shm_unlink",  "sigbus_shm"};
static const char *const sites[] = {"none", "call", "routine", "python"};

static int committed(const struct fsp_header *header, size_t offset) {
    const size_t page = offset / FSP_PAGE;

    return (int)(header->committed[page / 64] >> page % 64 & 1);
}

static void print_processes(const struct fsp_header *header, const char *file) {
    const int32_t *index = (const void *)(file + header->index_at);
    const struct fsp_process *slot = (const void *)(file + header->processes_at);

    for (uint32_t i = 0; i < header->processes; i++, slot++) {
        if (index[i] == 0) continue;
        printf("process birth=%s exit=%s code=%d state=%u pid=%d ppid=%d index=%d started=%d "
               "reaped=%u status=%x execs=%u exec_errno=%d path=%s mask=%llx before=%llx "
               "calls=%u threads=%u/%u/%u forks=%u failures=%u reaps=%u flags=%x run=%llu "
               "wait=%llu random=%u key=%llx exit=%d kill=%d "
               "beside=%u/%u/%u kind=%u/%u\n",
               births[slot->birth], exits[slot->exit], slot->exit_code, slot->state, slot->pid,
               slot->ppid, index[i], slot->t_start != 0, slot->reaped, (unsigned)slot->status,
               slot->execs, slot->exec_errno, slot->exec_path, (unsigned long long)slot->mask[0],
               (unsigned long long)slot->mask_before[0], slot->affinity_calls,
               slot->threads_started, slot->threads_ended, slot->threads_peak, slot->forks,
               slot->fork_failures, slot->reaps, slot->flags, (unsigned long long)slot->run_ns,
               (unsigned long long)slot->wait_ns, slot->random,
               (unsigned long long)slot->random_key,
               slot->random_exit.seen ? slot->random_exit.position : -1,
               slot->random_kill.seen ? slot->random_kill.position : -1, slot->beside_known,
               slot->beside_threads, slot->beside_main, slot->beside[0].threads,
               slot->beside[0].by_forker);
    }
}

static void print_threads(const struct fsp_header *header, const char *file) {
    for (uint32_t i = 0; i < header->threads; i++) {
        const size_t at = header->threads_at + i * sizeof(struct fsp_thread);
        const struct fsp_thread *slot = (const void *)(file + at);

        if (committed(header, at) && slot->state != FSP_THREAD_FREE)
            printf("thread state=%u pid=%d tid=%d mask=%llx\n", slot->state, slot->pid, slot->tid,
                   (unsigned long long)slot->mask[0]);
    }
}

static void print_events(const struct fsp_header *header, const char *file) {
    for (uint32_t i = 0; i < header->chunks * FSP_CHUNK_EVENTS; i++) {
        const size_t at = header->chunks_at + i / FSP_CHUNK_EVENTS * sizeof(struct fsp_chunk);
        const struct fsp_chunk *chunk = (const void *)(file + at);
        const struct fsp_event *event = &chunk->event[i % FSP_CHUNK_EVENTS];

        if (committed(header, at) && chunk->owner != 0 && event->kind != FSP_EVENT_NONE)
            printf("event %s a=%d b=%d pid=%d text=%.31s\n", events[event->kind], event->a,
                   event->b, chunk->owner,
                   event->kind == FSP_EVENT_SIGBUS_SHM || event->kind == FSP_EVENT_REAPED
                       ? "numbers"
                       : event->text);
    }
}

static void print_sites(const struct fsp_header *header, const char *file) {
    for (uint32_t i = 0; i < header->sites; i++) {
        const size_t at = header->sites_at + i * sizeof(struct fsp_site);
        const struct fsp_site *site = (const void *)(file + at);

        if (committed(header, at) && site->kind != FSP_SITE_NONE)
            printf("site %s module=%s symbol=%s text=%s\n", sites[site->kind], site->module,
                   site->symbol, site->text);
    }
}

static void print_random_state(const struct fsp_random_state *state, size_t size) {
    printf("generator size=%zu key=%llx position=%u\n", size, (unsigned long long)state->head.key,
           state->head.position);
}

static void print_snapshot(const struct fsp_snapshot *snapshot, mode_t mode) {
    const struct fsp_module *module =
        (const void *)((const char *)(snapshot + 1) + snapshot->stack_size);

    printf("snapshot mode=%o machine=%u stack=%u modules=%u\n", mode & 07777, snapshot->machine,
           snapshot->stack_size, snapshot->modules);
    for (uint32_t i = 0; i < snapshot->modules; i++)
        printf("module %s\n", module[i].path);
}

static void print_file(const char *path) {
    const int fd = open(path, O_RDONLY);
    struct stat status;
    const char *file;
    const struct fsp_header *header;

    if (fd < 0 || fstat(fd, &status) != 0) err(1, "%s", path);
    file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED) err(1, "%s", path);
    close(fd);
    header = (const void *)file;
    if (header->magic == FSP_RANDOM_MAGIC) {
        print_random_state((const void *)file, (size_t)status.st_size);
        munmap((void *)file, (size_t)status.st_size);
        return;
    }
    if (header->magic == FSP_SNAPSHOT_MAGIC) {
        print_snapshot((const void *)file, status.st_mode);
        munmap((void *)file, (size_t)status.st_size);
        return;
    }
    if (header->magic != FSP_MAGIC) errx(1, "%s: no segment", path);
    printf("file extension=%u ready=%u size=%llu mode=%o off=%u lost=%u/%u/%u/%u/%u libraries=%x "
           "repaired=%u executable=%s\n",
           header->extension, header->ready, (unsigned long long)header->size,
           status.st_mode & 07777, header->off, header->lost_processes, header->lost_threads,
           header->lost_events, header->lost_sites, header->lost_snapshots, header->libraries,
           header->env_repaired, header->extension ? "" : header->executable);
    print_processes(header, file);
    print_threads(header, file);
    print_events(header, file);
    print_sites(header, file);
    munmap((void *)file, (size_t)status.st_size);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        print_file(argv[i]);
    return 0;
}
