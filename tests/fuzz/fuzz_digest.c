/* fuzz_digest.c - a text either is refused with a message or is a digest that can be written
 * and read again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/digest_seeds.h"
#include "tracer/digest.h"

static int read_bytes(const void *data, size_t size, struct fs_digest **list, size_t *count) {
    char error[200];
    FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (!in) return -1;
    const int result = fs_digest_read(in, list, count, error, sizeof error);
    fclose(in);
    if (result && (error[0] == '\0' || *list)) abort();
    return result;
}

static void write_again(const struct fs_digest *digest) {
    struct fs_digest *list;
    size_t count, size;
    char *text;
    FILE *out = open_memstream(&text, &size);
    if (!out || fs_digest_write(digest, out) || fclose(out)) abort();
    if (read_bytes(text, size, &list, &count) || count != 1) abort();
    fs_digest_list_free(list, count);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fs_digest *list;
    size_t count;
    if (read_bytes(data, size, &list, &count)) return 0;
    for (size_t i = 0; i < count; i++)
        write_again(&list[i]);
    fs_digest_list_free(list, count);
    return 0;
}
