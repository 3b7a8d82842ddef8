/* fuzz_hostlist.c - any names make a list that keeps its limit and counts what it leaves out. */
#include <stdlib.h>
#include <string.h>

#include "report/hostlist.h"
#include "tests/fuzz/fuzz.h"

enum { HOSTS_MAX = 256 };

static const char *const seeds[] = {"n1 n2 n3", "nid04411 nid04412 nid04420",
                                    "a[1 b],c 00 0 000000000000000000001 n1.x n2.x",
                                    "n999999999 n1000000000 n099 n100 n101"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fs_arena arena = {0};
    const char *hosts[HOSTS_MAX];
    size_t count = 0, left_out;
    char *text = calloc(1, size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    for (char *word = strtok(text, " "); word && count < HOSTS_MAX; word = strtok(NULL, " "))
        hosts[count++] = word;
    for (size_t limit = 0; limit <= size + 8; limit += 1 + limit / 4) {
        const char *list = fs_hostlist(&arena, hosts, count, limit, &left_out);
        if (strlen(list) > limit || left_out > count) abort();
        if (count > 0 && left_out == 0 && !*list) abort();
    }
    fs_arena_free(&arena);
    free(text);
    return 0;
}

uint8_t *fuzz_seed(unsigned number, size_t *size) {
    if (number >= sizeof seeds / sizeof *seeds) return NULL;
    *size = strlen(seeds[number]);
    return (uint8_t *)strdup(seeds[number]);
}
