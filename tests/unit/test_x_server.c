/* Files of X keys, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/x_server.h"

/* Family, address, number, name, data. */
#define ENTRY(family, address, number, name, data) family address number name data
#define COOKIE                                     "\0\022MIT-MAGIC-COOKIE-1"
#define LOCAL                                      "\x01\0"
#define WILD                                       "\xff\xff"

static const char file[] = ENTRY(LOCAL, "\0\4else", "\0\0017", COOKIE, "\0\4AAAA")
    ENTRY(LOCAL, "\0\4here", "\0\0017", "\0\023XDM-AUTHORIZATION-1", "\0\4XXXX")
        ENTRY("\0\0", "\0\4\x7f\0\0\1", "\0\0017", COOKIE, "\0\4IIII")
            ENTRY(LOCAL, "\0\4here", "\0\0018", COOKIE, "\0\4BBBB")
                ENTRY(LOCAL, "\0\4here", "\0\0017", COOKIE, "\0\4CCCC")
                    ENTRY(WILD, "\0\0", "\0\0", COOKIE, "\0\4DDDD");

static void expect(const char *host, int number, const char *data) {
    const struct fs_x_cookie cookie = fs_x_cookie_find(file, sizeof file - 1, host, number);

    assert_int_equal(cookie.data_length, strlen(data));
    if (*data) assert_memory_equal(cookie.data, data, strlen(data));
    assert_int_equal(cookie.name != NULL, *data != '\0');
}

static void the_key_of_a_display_is_found(void **state) {
    (void)state;
    expect("here", 7, "CCCC");
    expect("here", 8, "BBBB");
    expect("else", 7, "AAAA");
    expect("else", 9, "DDDD"); /* the entry for every host and display */
}

static void a_cut_file_has_no_key_beyond_its_end(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof file; size++) {
        char *copy = malloc(size + 1); /* so that a reader beyond the end is caught */
        memcpy(copy, file, size);
        const struct fs_x_cookie cookie = fs_x_cookie_find(copy, size, "here", 7);
        if (cookie.data) assert_true((const char *)cookie.data + cookie.data_length <= copy + size);
        free(copy);
    }
}

static void no_garbage_leads_out_of_the_file(void **state) {
    (void)state;
    unsigned random = 1;
    for (int round = 0; round < 20000; round++) {
        unsigned char copy[sizeof file];
        memcpy(copy, file, sizeof file);
        for (int i = 0; i < 4; i++) {
            random = random * 1103515245u + 12345u;
            copy[random / 65536u % sizeof copy] = (unsigned char)(random >> 8);
        }
        const struct fs_x_cookie cookie = fs_x_cookie_find(copy, sizeof copy, "here", 7);
        if (cookie.data) assert_true(cookie.data + cookie.data_length <= copy + sizeof copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_a_display_is_found),
        cmocka_unit_test(a_cut_file_has_no_key_beyond_its_end),
        cmocka_unit_test(no_garbage_leads_out_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
