/* Characters and bytes: what is one is kept, what is none is replaced or coded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/command_text.h"
#include "tracer/text_bytes.h"

static void characters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int length;
        uint32_t code;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xa9", 2, 0xe9},
        {"\xe2\x82\xac", 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 0x1f600},
        {"\xc0\x80", 0, 0},
        {"\xed\xa0\x80", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0},
        {"\xe2\x82", 0, 0},
        {"\xff", 0, 0},
        {"\x80", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code = 0;
        assert_int_equal(fs_utf8_decode(cases[i].text, &code), cases[i].length);
        if (cases[i].length) assert_int_equal(code, cases[i].code);
        assert_int_equal(fs_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].length > 0);
    }
    assert_false(fs_utf8_valid("\xc3\xa9", 1));
}

static void cleaned(void **state) {
    (void)state;
    char *clean = fs_utf8_clean("\xc3\xa4\xc3(\xe2\x82\xac\xf0\x9f", 9);
    assert_string_equal(clean, "\xc3\xa4\xef\xbf\xbd(\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd");
    free(clean);
}

static void cuts_between_characters(void **state) {
    (void)state;
    assert_int_equal(fs_utf8_cut("abc", 3), 3);
    assert_int_equal(fs_utf8_cut("abcd", 3), 3);
    assert_int_equal(fs_utf8_cut("a\xe2\x82\xac", 2), 1);
    assert_int_equal(fs_utf8_cut("a\xe2\x82\xac", 3), 1);
    assert_int_equal(fs_utf8_cut("a\xe2\x82\xac", 4), 4);
    assert_int_equal(fs_utf8_cut("\xff\xff\xff\xff", 2), 2);
}

static void base64_is_what_it_was(void **state) {
    (void)state;
    char bytes[260];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37 + 11);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        size_t decoded = 999;
        char *text = fs_base64_encode(bytes, length);
        assert_int_equal(strlen(text), (length + 2) / 3 * 4);
        char *again = fs_base64_decode(text, &decoded);
        assert_non_null(again);
        assert_int_equal(decoded, length);
        assert_memory_equal(again, bytes, length);
        free(text);
        free(again);
    }
    char *text = fs_base64_encode("fo\xff", 3); /* RFC 4648 */
    assert_string_equal(text, "Zm//");
    free(text);
}

static void no_base64_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"Z",    "Zm9",  "Zm9=Zm9v", "Zm=v",    "Zm==", "Zg=a",
                                      "====", "Z===", "Zm 9",     "Zm9\xff", "Zm-_"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t length;
        errno = 0;
        char *bytes = fs_base64_decode(bad[i], &length);
        if (bytes) print_error("accepted: %s\n", bad[i]);
        assert_null(bytes);
        assert_int_equal(errno, EBADMSG);
    }
}

static void check_command(const char *const *words, size_t count, const char *expected) {
    char argv[64 * 1024], line[FS_COMMAND_MAX + 1];
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += (size_t)(stpcpy(argv + length, words[i]) - (argv + length)) + 1;
    fs_command_text(argv, length, line);
    assert_string_equal(line, expected);
    assert_false(fs_command_is_cut(line));
}

static void commands_are_quoted_where_a_shell_needs_it(void **state) {
    (void)state;
    static const char *const words[] = {"./a",  "two words", "it's", "",
                                        "a...", "x...y",     "...",  "caf\xc3\xa9"};
    check_command(words, 8, "./a 'two words' 'it'\\''s' '' 'a...' x...y '...' 'caf\xc3\xa9'");
    check_command(words, 0, "");
    assert_false(fs_command_is_cut(NULL));
    const char *many[100];
    char expected[201] = "";
    for (size_t i = 0; i < 100; i++)
        strcat(expected, i ? " x" : "x");
    for (size_t i = 0; i < 100; i++)
        many[i] = "x";
    check_command(many, 100, expected);
}

/* However long the word before is: a shell would take the line, less the mark. */
static void commands_are_cut_outside_of_quotes(void **state) {
    (void)state;
    static const char *const parts[] = {"x", "' ", "\xe4\xb8\xad ", "\xff"};
    char argv[1024], line[FS_COMMAND_MAX + 1];
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
        for (size_t first = 1; first < FS_COMMAND_MAX + 8; first++) {
            memset(argv, 'a', first);
            size_t length = first + 1;
            argv[first] = '\0';
            while (length < sizeof argv - 8)
                length += (size_t)(stpcpy(argv + length, parts[part]) - (argv + length));
            fs_command_text(argv, length + 1, line);
            assert_true(fs_command_is_cut(line));
            assert_in_range(strlen(line), FS_COMMAND_MAX - 8, FS_COMMAND_MAX);
            const size_t kept = strlen(line) - 3;
            assert_true(part == 3 || fs_utf8_valid(line, kept));
            int quotes = 0;
            for (size_t i = 0; i < kept; i++)
                quotes += line[i] == '\'' && (i == 0 || line[i - 1] != '\\');
            assert_int_equal(quotes % 2, 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(cleaned),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(base64_is_what_it_was),
        cmocka_unit_test(no_base64_is_refused),
        cmocka_unit_test(commands_are_quoted_where_a_shell_needs_it),
        cmocka_unit_test(commands_are_cut_outside_of_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
