/*
 * Python frames from memory: real memory of every supported version (tests/data/python),
 * and memory that somebody spoilt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/stack_python.h"

enum { READS_MAX = 1024, BYTES_MAX = 16 * 1024 };

/* What the reader read of a process, address by address. */
struct capture {
    struct read {
        uint64_t address;
        size_t size;
        uint8_t *bytes;
    } reads[READS_MAX];
    size_t count;
    int minor, tid;
    unsigned long long runtime;
    char expected[4096];
    unsigned spoil; /* 0: nothing; else the seed of what is changed */
};

static size_t parse_bytes(const char *text, uint8_t *bytes) {
    size_t count = 0;
    for (unsigned byte; count < BYTES_MAX && sscanf(text, "%2x", &byte) == 1; text += 2)
        bytes[count++] = (uint8_t)byte;
    return count;
}

static void load(struct capture *capture, const char *version) {
    char path[128], line[2 * BYTES_MAX + 64];
    uint8_t bytes[BYTES_MAX];
    snprintf(path, sizeof path, "tests/data/python/%s.capture", version);
    memset(capture, 0, sizeof *capture);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(sscanf(line, "minor %d runtime %llx tid %d", &capture->minor,
                            &capture->runtime, &capture->tid),
                     3);
    while (fgets(line, sizeof line, file) && strncmp(line, "frames ", 7) != 0) {
        struct read *read = &capture->reads[capture->count++];
        assert_true(capture->count < READS_MAX);
        read->address = strtoull(line, NULL, 16);
        read->size = parse_bytes(strchr(line, ' ') + 1, bytes);
        read->bytes = malloc(read->size);
        memcpy(read->bytes, bytes, read->size);
    }
    while (fgets(line, sizeof line, file))
        strcat(capture->expected, line);
    capture->expected[strcspn(capture->expected, "\0") - 1] = '\0'; /* the last newline */
    fclose(file);
}

static void unload(struct capture *capture) {
    for (size_t i = 0; i < capture->count; i++)
        free(capture->reads[i].bytes);
}

static int replay(void *context, uint64_t address, void *into, size_t size) {
    struct capture *capture = context;
    for (size_t i = 0; i < capture->count; i++) {
        const struct read *read = &capture->reads[i];
        if (address < read->address || address + size > read->address + read->size) continue;
        memcpy(into, read->bytes + (address - read->address), size);
        if (capture->spoil) {
            capture->spoil = capture->spoil * 1103515245u + 12345u;
            if (capture->spoil >> 16 & 1)
                ((uint8_t *)into)[(capture->spoil >> 18) % size] ^= (uint8_t)(capture->spoil >> 9);
        }
        return 0;
    }
    return -1;
}

static const char *const versions[] = {"3.9", "3.10", "3.11", "3.12", "3.13"};
enum { VERSIONS = sizeof versions / sizeof *versions };

static void frames_of_every_version(void **state) {
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        struct capture capture;
        struct fs_python python;
        char text[8192];
        load(&capture, versions[i]);
        assert_int_equal(capture.minor, atoi(versions[i] + 2));
        assert_int_equal(fs_python_open(&python, replay, &capture, capture.runtime, capture.minor),
                         0);
        assert_true(fs_python_stack(&python, capture.tid, 0, true, text, sizeof text) >= 5);
        assert_string_equal(text, capture.expected);
        assert_non_null(strstr(text, "w\xc3\xa4it"));
        unload(&capture);
    }
}

static void thread_is_found_by_its_tid(void **state) {
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        struct capture capture;
        struct fs_python python;
        char text[8192];
        load(&capture, versions[i]);
        fs_python_open(&python, replay, &capture, capture.runtime, capture.minor);
        const bool keeps_tids = capture.minor >= 11;
        const size_t count = fs_python_stack(&python, capture.tid, 0, false, text, sizeof text);
        assert_int_equal(count > 0, keeps_tids);
        assert_int_equal(fs_python_stack(&python, capture.tid + 1, 0, false, text, sizeof text), 0);
        unload(&capture);
    }
}

static void other_versions_are_refused(void **state) {
    (void)state;
    struct capture capture;
    struct fs_python python;
    load(&capture, "3.12");
    assert_int_equal(fs_python_open(&python, replay, &capture, capture.runtime, 8), -1);
    assert_int_equal(fs_python_open(&python, replay, &capture, capture.runtime, 14), -1);
    assert_int_equal(fs_python_open(&python, replay, &capture, capture.runtime, 0), -1);
    assert_int_equal(fs_python_open(&python, replay, &capture, 0, 12), -1);
    /* 3.13 has a table of its own at its beginning; 3.12's memory has not. */
    assert_int_equal(fs_python_open(&python, replay, &capture, capture.runtime, 13), -1);
    unload(&capture);
}

static void short_room_cuts_at_a_frame(void **state) {
    (void)state;
    struct capture capture;
    struct fs_python python;
    char text[64];
    load(&capture, "3.11");
    fs_python_open(&python, replay, &capture, capture.runtime, capture.minor);
    const size_t count = fs_python_stack(&python, capture.tid, 0, true, text, sizeof text);
    assert_int_equal(count, 1);
    assert_null(strchr(text, '\n'));
    assert_memory_equal(text, capture.expected, strlen(text));
    unload(&capture);
}

static void spoilt_memory_ends(void **state) {
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        struct capture capture;
        struct fs_python python;
        char text[32 * 1024];
        load(&capture, versions[i]);
        for (unsigned seed = 1; seed <= 3000; seed++) {
            capture.spoil = seed;
            if (fs_python_open(&python, replay, &capture, capture.runtime, capture.minor) != 0)
                continue;
            const size_t count =
                fs_python_stack(&python, capture.tid, 0, seed % 2, text, sizeof text);
            assert_true(count <= FS_PYTHON_FRAMES_MAX);
            assert_true(strlen(text) < sizeof text);
        }
        unload(&capture);
    }
}

/* Every pointer leads to itself, every number is large. */
static int endless(void *context, uint64_t address, void *into, size_t size) {
    (void)context;
    memset(into, 0, size);
    if (size >= sizeof address) memcpy(into, &address, sizeof address);
    return 0;
}

static void rings_of_frames_end(void **state) {
    (void)state;
    struct fs_python python;
    char text[32 * 1024];
    for (int minor = FS_PYTHON_MINOR_MIN; minor < FS_PYTHON_MINOR_MAX; minor++) {
        assert_int_equal(fs_python_open(&python, endless, NULL, 4096, minor), 0);
        assert_true(fs_python_stack(&python, 1, 0, true, text, sizeof text) <=
                    FS_PYTHON_FRAMES_MAX);
        fs_python_stack(&python, 1, 0, false, text, sizeof text);
    }
}

/* Every pointer leads to one object: a frame, its code and a str whose head no interpreter
 * writes. */
struct damaged {
    uint32_t state; /* of the str: ascii, compact, width */
    size_t most;    /* the longest read of its characters */
};

static int read_damaged(void *context, uint64_t address, void *into, size_t size) {
    enum { OBJECT = 1 << 20, LENGTH_AT = OBJECT + 16, STATE_AT = OBJECT + 32 };
    struct damaged *damaged = context;
    const uint64_t object = OBJECT, length = 1000;

    memset(into, size == 1 ? 0 : 0xff, size); /* one byte: whose frame it is */
    if (size == sizeof object) memcpy(into, address == LENGTH_AT ? &length : &object, size);
    if (size == sizeof damaged->state && address == STATE_AT) memcpy(into, &damaged->state, size);
    if (address > STATE_AT && size > damaged->most) damaged->most = size;
    return 0;
}

static void strings_that_contradict_themselves_stay_in_their_room(void **state) {
    (void)state;
    for (int minor = FS_PYTHON_MINOR_MIN; minor < FS_PYTHON_MINOR_MAX; minor++)
        for (unsigned kind = 0; kind < 16; kind++) {
            const uint32_t ascii = kind & 1, width = kind >> 1;
            struct damaged damaged = {.state = width << 2 | 1u << 5 | ascii << 6};
            struct fs_python python;
            char text[32 * 1024];
            assert_int_equal(fs_python_open(&python, read_damaged, &damaged, 4096, minor), 0);
            assert_true(fs_python_stack(&python, 1, 0, true, text, sizeof text) > 0);
            assert_true(damaged.most < 200);
            if (ascii) assert_null(strchr(text, '\xc3'));
        }
}

static void lines_of_every_form(void **state) {
    (void)state;
    static const uint8_t pairs[] = {4, 1, 6, 2, 0, 3, 8, (uint8_t)-4};
    assert_int_equal(fs_python_line(9, pairs, sizeof pairs, 10, 0), 10);
    assert_int_equal(fs_python_line(9, pairs, sizeof pairs, 10, 4), 11);
    assert_int_equal(fs_python_line(9, pairs, sizeof pairs, 10, 10), 16);
    assert_int_equal(fs_python_line(9, pairs, sizeof pairs, 10, 18), 12);
    static const uint8_t marked[] = {4, 1, 2, (uint8_t)-128, 6, 2};
    assert_int_equal(fs_python_line(10, marked, sizeof marked, 10, 0), 11);
    assert_int_equal(fs_python_line(10, marked, sizeof marked, 10, 4), 0);
    assert_int_equal(fs_python_line(10, marked, sizeof marked, 10, 6), 13);
    assert_int_equal(fs_python_line(10, marked, sizeof marked, 10, 60), 0);
    /* Short form, one line on with columns, no columns (+3), none, long form (-2). */
    static const uint8_t locations[] = {0x80 | 0 << 3 | 1,
                                        0x12,
                                        0x80 | 11 << 3,
                                        0x01,
                                        0x02,
                                        0x80 | 13 << 3,
                                        6,
                                        0x80 | 15 << 3,
                                        0x80 | 14 << 3,
                                        5,
                                        1,
                                        1,
                                        1};
    assert_int_equal(fs_python_line(11, locations, sizeof locations, 10, 0), 10);
    assert_int_equal(fs_python_line(11, locations, sizeof locations, 10, 2), 10);
    assert_int_equal(fs_python_line(11, locations, sizeof locations, 10, 4), 11);
    assert_int_equal(fs_python_line(12, locations, sizeof locations, 10, 6), 14);
    assert_int_equal(fs_python_line(13, locations, sizeof locations, 10, 8), 0);
    assert_int_equal(fs_python_line(13, locations, sizeof locations, 10, 10), 12);
    assert_int_equal(fs_python_line(13, locations, sizeof locations, 10, 12), 0);
    /* Before the first instruction. */
    assert_int_equal(fs_python_line(11, locations, sizeof locations, 10, -2), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_version),
        cmocka_unit_test(thread_is_found_by_its_tid),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(short_room_cuts_at_a_frame),
        cmocka_unit_test(spoilt_memory_ends),
        cmocka_unit_test(rings_of_frames_end),
        cmocka_unit_test(strings_that_contradict_themselves_stay_in_their_room),
        cmocka_unit_test(lines_of_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
