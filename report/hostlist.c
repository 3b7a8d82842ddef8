#include "report/hostlist.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 9 }; /* of a number that is counted up; those before it are prefix */

struct name {
    const char *text;
    size_t prefix, digits; /* bytes; what follows is the suffix */
    long number;           /* of the digits */
};

/* A list that is written as far as there is room. */
struct list {
    char *text;
    size_t length, limit;
    bool full;
};

static struct name split(const char *text) {
    struct name name = {.text = text, .prefix = strlen(text)};
    size_t end = strcspn(text, ".");
    if (strpbrk(text, ",[]")) return name;
    while (end > 0 && !isdigit((unsigned char)text[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && isdigit((unsigned char)text[begin - 1]) && end - begin < DIGITS_MAX)
        begin--;
    if (begin == 0 || begin == end) return name;
    name.prefix = begin;
    name.digits = end - begin;
    for (size_t i = begin; i < end; i++)
        name.number = 10 * name.number + (text[i] - '0');
    return name;
}

static const char *suffix_of(const struct name *name) {
    return name->text + name->prefix + name->digits;
}

/* Of names that can share brackets, 0. */
static int by_family(const struct name *a, const struct name *b) {
    const size_t common = a->prefix < b->prefix ? a->prefix : b->prefix;
    const int prefixes = memcmp(a->text, b->text, common);
    if (prefixes != 0) return prefixes;
    if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
    if (!a->digits != !b->digits) return a->digits ? 1 : -1;
    return strcmp(suffix_of(a), suffix_of(b));
}

static int by_name(const void *left, const void *right) {
    const struct name *a = left, *b = right;
    const int families = by_family(a, b);
    if (families != 0) return families;
    if (a->digits != b->digits) return a->digits < b->digits ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* Sorts and drops what is there twice; returns how many are left. */
static size_t sort_names(struct name *names, size_t count) {
    size_t kept = 0;
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(names[kept - 1].text, names[i].text) != 0) names[kept++] = names[i];
    return kept;
}

static size_t leading_zeros(const struct name *name) {
    const char *digits = name->text + name->prefix;
    size_t zeros = 0;
    while (zeros + 1 < name->digits && digits[zeros] == '0')
        zeros++;
    return zeros;
}

/* Zeros that all names of a family begin their numbers with become part of the prefix. */
static void move_zeros(struct name *names, size_t count) {
    size_t zeros = leading_zeros(&names[0]);
    for (size_t i = 1; i < count; i++) {
        const size_t own = leading_zeros(&names[i]);
        zeros = own < zeros ? own : zeros;
    }
    for (size_t i = 0; i < count; i++) {
        names[i].prefix += zeros;
        names[i].digits -= zeros;
    }
}

/* How many of a family's names, from the first, are one range. Padded numbers are as wide as
 * the first one. */
static size_t range_length(const struct name *names, size_t count) {
    const bool padded = leading_zeros(&names[0]) > 0;
    size_t length = 1;
    for (; length < count; length++) {
        const struct name *last = &names[length - 1], *next = &names[length];
        const bool same_width = next->digits == last->digits;
        if (next->number != last->number + 1) break;
        if (!same_width && (padded || leading_zeros(next) > 0)) break;
    }
    return length;
}

/* Adds text if it fits, with what must follow it later. */
static bool add(struct list *list, const char *text, size_t length, size_t later) {
    if (list->full || list->length + length + later > list->limit) return false;
    memcpy(list->text + list->length, text, length);
    list->length += length;
    return true;
}

/* One range, and what comes before it; `begin` when it is the first of its family. */
static bool add_range(struct list *list, const struct name *names, size_t length, bool begin,
                      size_t later) {
    const struct name *first = &names[0], *last = &names[length - 1];
    const char *separator = begin ? list->length ? "," : "" : ",";
    const struct list before = *list;
    bool fits = add(list, separator, strlen(separator), later);
    if (begin)
        fits = fits && add(list, first->text, first->prefix, later) && add(list, "[", 1, later);
    fits = fits && add(list, first->text + first->prefix, first->digits, later);
    if (length > 1)
        fits = fits && add(list, "-", 1, later) &&
               add(list, last->text + last->prefix, last->digits, later);
    if (fits) return true;
    *list = before;
    list->full = true;
    return false;
}

/* A whole name; returns how many were added. */
static size_t add_name(struct list *list, const struct name *name) {
    const size_t length = strlen(name->text), separator = list->length > 0;
    if (list->full || list->length + separator + length > list->limit) {
        list->full = true;
        return 0;
    }
    add(list, ",", separator, length);
    add(list, name->text, length, 0);
    return 1;
}

/* The names of one family; returns how many were added. */
static size_t add_family(struct list *list, struct name *names, size_t count) {
    if (count == 1) return add_name(list, names);
    move_zeros(names, count);
    const char *suffix = suffix_of(&names[0]);
    const size_t later = 1 + strlen(suffix);
    size_t done = 0;
    while (done < count) {
        const size_t length = range_length(names + done, count - done);
        if (!add_range(list, names + done, length, done == 0, later)) break;
        done += length;
    }
    if (done > 0) {
        list->text[list->length++] = ']';
        memcpy(list->text + list->length, suffix, later - 1);
        list->length += later - 1;
    }
    return done;
}

const char *fs_hostlist(struct fs_arena *arena, const char *const *hosts, size_t count,
                        size_t limit, size_t *left_out) {
    struct name *names = fs_arena_alloc(arena, (count + 1) * sizeof *names);
    struct list list = {.text = fs_arena_alloc(arena, limit + 1), .limit = limit};
    size_t added = 0;
    *left_out = count;
    if (!names || !list.text) return "";
    for (size_t i = 0; i < count; i++)
        names[i] = split(hosts[i]);
    count = sort_names(names, count);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && by_family(&names[i], &names[end]) == 0;)
            end++;
        added += add_family(&list, names + i, end - i);
    }
    list.text[list.length] = '\0';
    *left_out = count - added;
    return list.text;
}

const char *fs_hostlist_brief(struct fs_arena *arena, const char *const *hosts, size_t count,
                              size_t columns) {
    static const char more[] = " and 1000000 more";
    size_t left_out;
    const char *text = fs_hostlist(arena, hosts, count, columns, &left_out);
    if (left_out == 0) return text;
    text = fs_hostlist(arena, hosts, count, columns > sizeof more ? columns - sizeof more : 0,
                       &left_out);
    return *text ? fs_arena_printf(arena, "%s and %zu more", text, left_out)
                 : fs_arena_printf(arena, "%zu nodes", left_out);
}

/* --- by their bytes --- */

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

size_t fs_hosts_sort(const char **hosts, size_t count) {
    size_t kept = 0;
    if (count > 1) qsort(hosts, count, sizeof *hosts, by_bytes);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(hosts[i], hosts[kept - 1]) != 0) hosts[kept++] = hosts[i];
    return kept;
}

bool fs_hosts_have(const char *const *sorted, size_t count, const char *host) {
    return count > 0 && bsearch(&host, sorted, count, sizeof *sorted, by_bytes) != NULL;
}
