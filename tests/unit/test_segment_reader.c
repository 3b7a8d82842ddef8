/* Segments: sound ones are read, others refused, slots given back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/made_segment.h"
#include "tracer/segment_reader.h"

static struct fs_segment_reader *reader;
static char folder[] = "/tmp/test_segment_reader.XXXXXX";
static int directory;

static int set_up(void **state) {
    (void)state;
    reader = fs_segment_reader_new();
    directory = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY) : -1;
    return reader && directory >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    fs_segment_reader_free(reader);
    fs_segment_reader_free(NULL);
    close(directory);
    return rmdir(folder);
}

static void write_file(const char *name, const void *bytes, size_t size) {
    const int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    close(file);
}

static int load(const struct made_segment *made) {
    errno = 0;
    return fs_segment_load_memory(reader, made->bytes, made->size);
}

static void names_are_told(void **state) {
    (void)state;
    int pid = 0;
    bool extension = true;
    assert_true(fs_segment_name("123-456789.seg", &pid, &extension));
    assert_int_equal(pid, 123);
    assert_false(extension);
    assert_true(fs_segment_name("123-456789.ext", NULL, &extension));
    assert_true(extension);
    static const char *const others[] = {
        "",      ".",        "a-1.seg",           "1-.seg",     "1-2", "1-2.segx", "0-1.seg",
        "1.seg", "-1-2.seg", "99999999999-1.seg", "1-2.seg.ext"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(fs_segment_name(others[i], NULL, NULL));
}

static void everything_in_it_is_given_out(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    size_t length;
    bool cut;
    fill_segment(&made);
    memcpy(made.header->argv, "python3\0pool.py", 16);
    made.header->argv_length = 16;
    made.header->env_length = 5000;
    strcpy(made.header->executable, "/usr/bin/python3");
    assert_int_equal(load(&made), 0);
    assert_int_equal(fs_segment_bad_slots(reader), 0);
    assert_string_equal(fs_segment_header(reader)->executable, "/usr/bin/python3");
    assert_memory_equal(fs_segment_argv(reader, &length, &cut), "python3\0pool.py", 16);
    assert_int_equal(length, 16);
    assert_false(cut);
    fs_segment_environment(reader, &length, &cut);
    assert_int_equal(length, sizeof made.header->environment);
    assert_true(cut);
    assert_int_equal(fs_segment_process(reader, 0)->pid, 1000);
    assert_int_equal(fs_segment_process(reader, 2)->pid, 1002);
    assert_int_equal(fs_segment_process(reader, 2)->self.user_us, 5);
    assert_null(fs_segment_process(reader, 3));
    assert_null(fs_segment_process(reader, made.header->processes));
    assert_int_equal(fs_segment_thread(reader, 0)->tid, 1005);
    assert_null(fs_segment_thread(reader, 1));
    const struct fsp_chunk *chunk = fs_segment_chunk(reader, 0);
    assert_string_equal(fs_segment_event(chunk, 0)->text, "OMP_NUM_THREADS=4");
    assert_int_equal(fs_segment_event(chunk, 1)->b, 15);
    assert_null(fs_segment_event(chunk, 2));
    assert_null(fs_segment_chunk(reader, 1));
    assert_string_equal(fs_segment_site_by_key(reader, 77)->text, "pool.py:41:main\n");
    assert_null(fs_segment_site_by_key(reader, 78));
    assert_null(fs_segment_site_by_key(reader, 0));
    free(made.bytes);
}

static void sizes_and_extensions(void **state) {
    (void)state;
    for (uint64_t size = FSP_BASE_SIZE, kind = FSP_EXTENSION_ANY; kind < FSP_EXTENSION_COUNT;
         kind += size == FSP_LARGEST_SIZE, size = size < FSP_LARGEST_SIZE ? 4 * size : size) {
        struct made_segment made = make_segment(size, (uint32_t)kind);
        const uint32_t last = made.header->processes - 1;
        size_t length = 1;
        bool cut = true;
        made.processes[last].state = FSP_PROCESS_RESERVED;
        made.index[last] = -1;
        assert_int_equal(load(&made), 0);
        assert_non_null(fs_segment_process(reader, last));
        assert_string_equal(fs_segment_argv(reader, &length, &cut), "");
        assert_int_equal(length, 0);
        assert_false(cut);
        free(made.bytes);
    }
}

/* What each change of a good segment's header must lead to. */
static void foreign_headers_are_refused(void **state) {
    (void)state;
    struct made_segment good = make_segment(FSP_BASE_SIZE, 0);
    struct fsp_header *header = good.header, saved = *header;
#define REFUSED(change, error)                                                                     \
    do {                                                                                           \
        header->change;                                                                            \
        assert_int_equal(load(&good), -1);                                                         \
        assert_int_equal(errno, error);                                                            \
        assert_null(fs_segment_header(reader));                                                    \
        assert_null(fs_segment_process(reader, 0));                                                \
        memcpy(header, &saved, sizeof saved);                                                      \
    } while (0)
    REFUSED(magic = 0, EAGAIN);
    REFUSED(ready = 0, EAGAIN);
    REFUSED(magic = 1, EBADMSG);
    REFUSED(endian = 0x04030201, EBADMSG);
    REFUSED(version = 2, EPROTONOSUPPORT);
    REFUSED(extension = FSP_EXTENSION_COUNT, EBADMSG);
    REFUSED(extension = 2, EBADMSG);
    REFUSED(extension = 1, EBADMSG);
    REFUSED(processes = 1000, EBADMSG);
    REFUSED(processes_at = 0, EBADMSG);
    REFUSED(sites_at = UINT64_MAX, EBADMSG);
    REFUSED(index_at = 0, EBADMSG);
    REFUSED(size = FSP_LARGEST_SIZE, EBADMSG);
    REFUSED(process_size = 8, EBADMSG);
    REFUSED(pid = 0, EBADMSG);
    REFUSED(pid = -5, EBADMSG);
    REFUSED(ppid = INT32_MAX, EBADMSG);
    REFUSED(t_made = UINT64_MAX, EBADMSG);
#undef REFUSED
    assert_int_equal(load(&good), 0);
    assert_int_equal(fs_segment_load_memory(reader, good.bytes, 100), -1);
    assert_int_equal(fs_segment_load_memory(reader, good.bytes, 8192), -1);
    free(good.bytes);
}

static void unsound_slots_are_emptied(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    fill_segment(&made);
    made.processes[1].pid = -1;
    made.processes[2].birth = 200;
    made.processes[3].state = 99;
    made.processes[4].state = FSP_PROCESS_LIVE; /* without a pid */
    made.processes[5] = made.processes[0];
    made.processes[5].self.user_us = UINT64_MAX;
    made.processes[6] = made.processes[0];
    made.processes[6].run_ns = UINT64_MAX;
    made.threads[0].tid = 0;
    made.threads[1].state = FSP_THREAD_RESERVED; /* not yet a thread, and not bad */
    made.chunks[0].event[1].kind = 1000;
    made.chunks[1].owner = -7;
    made.sites[0].kind = 50;
    assert_int_equal(load(&made), 0);
    assert_int_equal(fs_segment_bad_slots(reader), 10);
    assert_non_null(fs_segment_process(reader, 0));
    for (uint32_t i = 1; i < 7; i++)
        assert_null(fs_segment_process(reader, i));
    assert_null(fs_segment_thread(reader, 0));
    assert_null(fs_segment_thread(reader, 1));
    assert_non_null(fs_segment_event(fs_segment_chunk(reader, 0), 0));
    assert_null(fs_segment_event(fs_segment_chunk(reader, 0), 1));
    assert_null(fs_segment_chunk(reader, 1));
    assert_null(fs_segment_site(reader, 0));
    free(made.bytes);
}

static void strings_and_numbers_are_clamped(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    size_t length;
    bool cut;
    fill_segment(&made);
    memset(made.header->executable, 'x', sizeof made.header->executable);
    memset(made.header->argv, 'y', sizeof made.header->argv);
    made.header->argv_length = UINT32_MAX;
    memset(made.processes[0].exec_path, 'z', sizeof made.processes[0].exec_path);
    memset(made.sites[0].text, 't', sizeof made.sites[0].text);
    memset(made.chunks[0].event[0].text, 'e', FSP_EVENT_TEXT);
    made.chunks[0].used = UINT32_MAX;
    made.processes[0].t_exit = UINT64_MAX;
    made.processes[0].flags = UINT32_MAX;
    assert_int_equal(load(&made), 0);
    assert_int_equal(strlen(fs_segment_header(reader)->executable), 255);
    const char *argv = fs_segment_argv(reader, &length, &cut);
    assert_int_equal(length, 1024);
    assert_true(cut);
    assert_int_equal(argv[1023], '\0');
    assert_int_equal(strlen(fs_segment_process(reader, 0)->exec_path), 63);
    assert_int_equal(fs_segment_process(reader, 0)->t_exit, 0);
    assert_int_equal(strlen(fs_segment_site(reader, 0)->text), 775);
    const struct fsp_chunk *chunk = fs_segment_chunk(reader, 0);
    assert_int_equal(strlen(fs_segment_event(chunk, 0)->text), 31);
    assert_null(fs_segment_event(chunk, FSP_CHUNK_EVENTS));
    free(made.bytes);
}

static void uncommitted_pages_count_as_empty(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    fill_segment(&made);
    made.header->committed[0] = 3; /* the header and the first four processes */
    assert_int_equal(load(&made), 0);
    assert_non_null(fs_segment_process(reader, 2));
    assert_null(fs_segment_thread(reader, 0));
    assert_null(fs_segment_chunk(reader, 0));
    free(made.bytes);
}

static void files_are_loaded(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    fill_segment(&made);
    write_file("1-1.seg", made.bytes, made.size);
    assert_int_equal(fs_segment_load(reader, directory, "1-1.seg"), 0);
    assert_int_equal(fs_segment_process(reader, 1)->pid, 1001);
    assert_non_null(fs_segment_thread(reader, 0));

    static const struct {
        const char *name;
        int error;
    } others[] = {{"none", ENOENT},    {"link", EBADMSG},  {"pipe", EBADMSG},
                  {"folder", EBADMSG}, {"short", EBADMSG}, {"empty", EAGAIN}};
    assert_int_equal(symlinkat("1-1.seg", directory, "link"), 0);
    assert_int_equal(mkfifoat(directory, "pipe", 0600), 0);
    assert_int_equal(mkdirat(directory, "folder", 0700), 0);
    write_file("short", made.bytes, made.size / 2);
    write_file("empty", "", 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        errno = 0;
        assert_int_equal(fs_segment_load(reader, directory, others[i].name), -1);
        assert_int_equal(errno, others[i].error);
        assert_null(fs_segment_header(reader));
    }
    for (size_t i = 1; i < sizeof others / sizeof others[0]; i++)
        unlinkat(directory, others[i].name, strcmp(others[i].name, "folder") ? 0 : AT_REMOVEDIR);
    unlinkat(directory, "1-1.seg", 0);
    free(made.bytes);
}

static void slots_are_given_back(void **state) {
    (void)state;
    struct made_segment made = make_segment(FSP_BASE_SIZE, 0);
    const uint32_t processes[] = {1, 2}, zero = 0;
    const struct fs_segment_slots slots = {.processes = processes,
                                           .process_count = 2,
                                           .threads = &zero,
                                           .thread_count = 1,
                                           .chunks = &zero,
                                           .chunk_count = 1};
    fill_segment(&made);
    write_file("1-1.seg", made.bytes, made.size);
    assert_int_equal(fs_segment_load(reader, directory, "1-1.seg"), 0);

    /* Slot 2 became somebody else's since. */
    made.processes[2].pid = 5555;
    write_file("1-1.seg", made.bytes, made.size);
    assert_int_equal(fs_segment_recycle(reader, directory, "1-1.seg", &slots), 0);
    assert_int_equal(fs_segment_load(reader, directory, "1-1.seg"), 0);
    assert_non_null(fs_segment_process(reader, 0));
    assert_null(fs_segment_process(reader, 1));
    assert_int_equal(fs_segment_process(reader, 2)->pid, 5555);
    assert_null(fs_segment_thread(reader, 0));
    assert_null(fs_segment_chunk(reader, 0));
    const int file = openat(directory, "1-1.seg", O_RDONLY);
    int32_t index[3];
    assert_int_equal(pread(file, index, sizeof index, (off_t)made.header->index_at), 12);
    assert_int_equal(index[0], 1000);
    assert_int_equal(index[1], 0);
    assert_int_equal(index[2], 1002);
    close(file);

    const struct fs_segment_slots image = {.processes = &zero, .process_count = 1};
    assert_int_equal(fs_segment_recycle(reader, directory, "1-1.seg", &image), -1);
    assert_int_equal(errno, EINVAL);
    made.header->t_made++; /* another file of that name */
    write_file("1-1.seg", made.bytes, made.size);
    assert_int_equal(fs_segment_recycle(reader, directory, "1-1.seg", &slots), -1);
    assert_int_equal(errno, ESTALE);
    unlinkat(directory, "1-1.seg", 0);
    free(made.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told),
        cmocka_unit_test(everything_in_it_is_given_out),
        cmocka_unit_test(sizes_and_extensions),
        cmocka_unit_test(foreign_headers_are_refused),
        cmocka_unit_test(unsound_slots_are_emptied),
        cmocka_unit_test(strings_and_numbers_are_clamped),
        cmocka_unit_test(uncommitted_pages_count_as_empty),
        cmocka_unit_test(files_are_loaded),
        cmocka_unit_test(slots_are_given_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
