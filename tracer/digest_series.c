/* digest_series.c - columns of numbers as text; see digest_columns.h. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_columns.h"

enum { ITEM_MAX = 48 }; /* characters of the longest item */

/* The largest of 10^9, 10^6 and 10^3 that all numbers can be divided by; its exponent. */
static int exponent_of(const int64_t *numbers, size_t count, int64_t *unit) {
    *unit = 1000000000;
    for (int exponent = 9; exponent > 0; exponent -= 3, *unit /= 1000) {
        bool all = true, any = false;
        for (size_t i = 0; all && i < count; i++) {
            if (numbers[i] == FS_COLUMN_UNKNOWN) continue;
            all = numbers[i] % *unit == 0;
            any = any || numbers[i] != 0;
        }
        if (all && any) return exponent;
    }
    return 0;
}

static size_t put_item(char *text, bool known, int64_t step, size_t times) {
    int length = known ? sprintf(text, "%" PRId64, step) : sprintf(text, "u");

    if (times > 1) length += sprintf(text + length, "x%zu", times);
    return (size_t)length;
}

char *fs_series_text(const int64_t *numbers, size_t count) {
    char *text = malloc(count * ITEM_MAX + ITEM_MAX);
    size_t length = 0, times;
    int64_t before = 0, unit;

    if (!text) return NULL;
    const int exponent = exponent_of(numbers, count, &unit);
    if (exponent) length += (size_t)sprintf(text, "e%d:", exponent);
    for (size_t i = 0; i < count; i += times) {
        const bool known = numbers[i] != FS_COLUMN_UNKNOWN;
        const int64_t step = known ? numbers[i] / unit - before : 0;
        for (times = 1; i + times < count; times++) {
            const int64_t next = numbers[i + times];
            if ((next != FS_COLUMN_UNKNOWN) != known) break;
            if (known && next / unit - numbers[i + times - 1] / unit != step) break;
        }
        if (known) before = numbers[i + times - 1] / unit;
        if (i > 0) text[length++] = ',';
        length += put_item(text + length, known, step, times);
    }
    text[length] = '\0';
    return text;
}

static int bad(void) {
    errno = EBADMSG;
    return -1;
}

/* A number at *at, which moves behind it. */
static int take(const char **at, int64_t *number) {
    char *end;

    if (**at != '-' && (**at < '0' || **at > '9')) return bad();
    errno = 0;
    const long long value = strtoll(*at, &end, 10);
    if (errno || end == *at) return bad();
    *at = end;
    *number = value;
    return 0;
}

/* How often an item stands; at least once, at most `room` times. */
static int take_times(const char **at, size_t room, size_t *times) {
    int64_t number = 1;

    if (**at == 'x') {
        ++*at;
        if (take(at, &number)) return -1;
    }
    if (number < 1 || (uint64_t)number > room) return bad();
    *times = (size_t)number;
    return 0;
}

static int take_unit(const char **at, int64_t *unit) {
    static const struct {
        const char *text;
        int64_t unit;
    } units[] = {{"e9:", 1000000000}, {"e6:", 1000000}, {"e3:", 1000}};

    *unit = 1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strncmp(*at, units[i].text, 3) != 0) continue;
        *unit = units[i].unit;
        *at += 3;
        return 0;
    }
    return **at == 'e' ? bad() : 0;
}

static int add_step(int64_t *value, int64_t step, int64_t unit, int64_t *number) {
    if (__builtin_add_overflow(*value, step, value) ||
        __builtin_mul_overflow(*value, unit, number) || *number > FS_DIGEST_NUMBER_MAX ||
        *number < -FS_DIGEST_NUMBER_MAX)
        return bad();
    return 0;
}

int fs_series_parse(const char *text, int64_t *numbers, size_t count) {
    int64_t value = 0, unit;
    size_t done = 0, times;

    if (take_unit(&text, &unit)) return -1;
    while (done < count) {
        const bool known = *text != 'u';
        int64_t step = 0;
        if (!known) text++;
        if (known && take(&text, &step)) return -1;
        if (take_times(&text, count - done, &times)) return -1;
        for (; times > 0; times--, done++) {
            numbers[done] = FS_COLUMN_UNKNOWN;
            if (known && add_step(&value, step, unit, &numbers[done])) return -1;
        }
        if (done < count && *text++ != ',') return bad();
    }
    return *text ? bad() : 0;
}
