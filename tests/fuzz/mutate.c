/*
 * mutate.c - feeds mutations of a driver's seeds to it: bytes changed, runs of bytes removed,
 * doubled, filled, numbers made large, text cut. Repeatable; prints how many it fed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { SEEDS_MAX = 64 };

static uint64_t state = 0x9e3779b97f4a7c15ull;

static size_t below(size_t limit) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return limit ? (size_t)(state >> 33) % limit : 0;
}

struct input {
    uint8_t *bytes;
    size_t size, room;
};

static void change_byte(struct input *input) {
    input->bytes[below(input->size)] = (uint8_t)below(256);
}

static void flip_bit(struct input *input) {
    input->bytes[below(input->size)] ^= (uint8_t)(1u << below(8));
}

static void fill_run(struct input *input) {
    static const uint8_t values[] = {0x00, 0xff, 0x7f, '9', '[', '{', 0x80};
    const size_t at = below(input->size), room = input->size - at;
    const size_t length = 1 + below(room < 16 ? room : 16);
    memset(input->bytes + at, values[below(sizeof values)], length);
}

static void remove_run(struct input *input) {
    const size_t at = below(input->size), length = 1 + below(input->size - at);
    memmove(input->bytes + at, input->bytes + at + length, input->size - at - length);
    input->size -= length;
}

static void double_run(struct input *input) {
    const size_t at = below(input->size), room = input->room - input->size;
    size_t length = 1 + below(input->size - at);
    if (length > room) length = room;
    memmove(input->bytes + at + length, input->bytes + at, input->size - at);
    input->size += length;
}

static void cut(struct input *input) {
    input->size = below(input->size);
}

static void (*const mutations[])(struct input *) = {change_byte, change_byte, flip_bit,   flip_bit,
                                                    fill_run,    remove_run,  double_run, cut};

int main(int argc, char **argv) {
    const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 5000;
    struct input seeds[SEEDS_MAX];
    size_t seed_count = 0;
    for (; seed_count < SEEDS_MAX; seed_count++) {
        struct input *seed = &seeds[seed_count];
        seed->bytes = fuzz_seed((unsigned)seed_count, &seed->size);
        if (!seed->bytes) break;
        LLVMFuzzerTestOneInput(seed->bytes, seed->size);
    }
    if (seed_count == 0) return 1;
    for (long i = 0; i < count; i++) {
        const struct input *seed = &seeds[below(seed_count)];
        struct input input = {.size = seed->size, .room = seed->size + seed->size / 2 + 16};
        input.bytes = malloc(input.room);
        if (!input.bytes) return 1;
        memcpy(input.bytes, seed->bytes, seed->size);
        for (size_t changes = 1 + below(4); changes && input.size; changes--)
            mutations[below(sizeof mutations / sizeof mutations[0])](&input);
        LLVMFuzzerTestOneInput(input.bytes, input.size);
        free(input.bytes);
    }
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    printf("%ld mutations of %zu seeds\n", count, seed_count);
    return 0;
}
