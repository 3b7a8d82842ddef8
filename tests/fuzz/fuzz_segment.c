/* fuzz_segment.c - a file either is refused or all that it gives out can be used: strings end
 * where they must and numbers lie where they can. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/made_segment.h"
#include "tracer/segment_reader.h"

static void must(bool condition) {
    if (!condition) abort();
}

static void look_at_image(const struct fs_segment_reader *reader) {
    size_t length;
    bool cut;
    const char *argv = fs_segment_argv(reader, &length, &cut);
    must(length == 0 || argv[length - 1] == '\0' || strlen(argv) <= length);
    fs_segment_environment(reader, &length, &cut);
    must(length <= sizeof(((struct fsp_header *)0)->environment));
    must(memchr(fs_segment_header(reader)->executable, 0, 256));
}

static void look_at_slots(const struct fs_segment_reader *reader) {
    const struct fsp_header *header = fs_segment_header(reader);
    for (uint32_t i = 0; i <= header->processes; i++) {
        const struct fsp_process *process = fs_segment_process(reader, i);
        if (!process) continue;
        must(process->birth < FSP_BIRTH_COUNT && process->exit < FSP_EXIT_COUNT);
        must(process->state != FSP_PROCESS_LIVE || process->pid > 0);
        must(memchr(process->exec_path, 0, sizeof process->exec_path));
        must(process->t_exit <= INT64_MAX && process->run_ns <= INT64_MAX);
    }
    for (uint32_t i = 0; i <= header->threads; i++) {
        const struct fsp_thread *thread = fs_segment_thread(reader, i);
        must(!thread || (thread->tid > 0 && thread->pid > 0));
    }
    for (uint32_t i = 0; i <= header->sites; i++) {
        const struct fsp_site *site = fs_segment_site(reader, i);
        must(!site || memchr(site->text, 0, sizeof site->text));
        must(!site || fs_segment_site_by_key(reader, site->key));
    }
}

static void look_at_events(const struct fs_segment_reader *reader) {
    const struct fsp_header *header = fs_segment_header(reader);
    for (uint32_t i = 0; i <= header->chunks; i++) {
        const struct fsp_chunk *chunk = fs_segment_chunk(reader, i);
        for (uint32_t e = 0; chunk && e <= FSP_CHUNK_EVENTS; e++) {
            const struct fsp_event *event = fs_segment_event(chunk, e);
            must(!event || (event->kind > FSP_EVENT_NONE && event->kind < FSP_EVENT_COUNT));
            must(!event || event->kind != FSP_EVENT_SETENV ||
                 memchr(event->text, 0, FSP_EVENT_TEXT));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fs_segment_reader *reader;
    if (!reader) reader = fs_segment_reader_new();
    must(reader != NULL);
    if (fs_segment_load_memory(reader, data, size)) {
        must(fs_segment_header(reader) == NULL);
        return 0;
    }
    look_at_image(reader);
    look_at_slots(reader);
    look_at_events(reader);
    return 0;
}

uint8_t *fuzz_seed(unsigned number, size_t *size) {
    if (number > 1) return NULL;
    struct made_segment made = make_segment(number ? 4 * FSP_BASE_SIZE : FSP_BASE_SIZE, number);
    fill_segment(&made);
    *size = made.size;
    return (uint8_t *)made.bytes;
}
