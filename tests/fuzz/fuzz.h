/*
 * fuzz.h - what a fuzz driver provides.
 *
 * With clang's libFuzzer (long runs, found inputs are kept in a folder):
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -iquote . -D_GNU_SOURCE \
 *     tests/fuzz/fuzz_digest.c tracer/SOURCES... -lhwloc -ljansson -o fuzz_digest
 * Without (some thousand mutations, the same at each run): link with mutate.c instead of
 * -fsanitize=fuzzer; the program takes the number of mutations as its argument.
 */
#ifndef FS_FUZZ_H
#define FS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Feeds one input; returns 0. Anything but an orderly refusal or success must crash. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good input to begin from, number 0, 1, ...; NULL: there are no more. For the caller to free. */
uint8_t *fuzz_seed(unsigned number, size_t *size);

#endif
