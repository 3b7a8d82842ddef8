/* digest_columns.c - see digest_columns.h. */
#include "tracer/digest_columns.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_json.h"
#include "tracer/mask.h"

enum { MASK_ITEM_MAX = 48, TEXT_MAX = 128 * 1024 };

#define MEMBER(type, element, field) ((type *)(void *)((char *)(element) + (field)->offset))

static int bad(void) {
    errno = EBADMSG;
    return -1;
}

static char *element_at(const struct fs_field *field, const void *elements, size_t i) {
    return (char *)(uintptr_t)elements + i * field->fields->size;
}

/* --- numbers --- */

static int64_t number_from(int64_t value, int64_t least, int64_t most) {
    return value < least || value > most ? FS_COLUMN_UNKNOWN : value;
}

static int64_t number_of(const struct fs_field *column, const char *element) {
    const int most = column->max ? column->max : INT_MAX;

    switch (column->type) {
    case FS_FIELD_INT:
        return number_from(*MEMBER(int, element, column), 0, most);
    case FS_FIELD_ID:
        return number_from(*MEMBER(int, element, column), 1, most);
    case FS_FIELD_BOOL:
        return *MEMBER(bool, element, column) ? 1 : FS_COLUMN_UNKNOWN;
    case FS_FIELD_BITS:
        return number_from(*MEMBER(uint32_t, element, column), 1, UINT32_MAX);
    case FS_FIELD_COUNT:
        return number_from(*MEMBER(int64_t, element, column), 0, FS_DIGEST_NUMBER_MAX);
    case FS_FIELD_TIME: {
        const int64_t t = *MEMBER(int64_t, element, column);
        return t == FS_UNKNOWN ? FS_COLUMN_UNKNOWN
                               : number_from(t, -FS_DIGEST_NUMBER_MAX, FS_DIGEST_NUMBER_MAX);
    }
    default:
        return FS_COLUMN_UNKNOWN;
    }
}

static int set_number(const struct fs_field *column, char *element, int64_t number) {
    const int64_t most = column->max ? column->max : INT_MAX;

    if (number == FS_COLUMN_UNKNOWN) return 0;
    switch (column->type) {
    case FS_FIELD_INT:
    case FS_FIELD_ID:
        if (number < 0 || number > most) return bad();
        *MEMBER(int, element, column) = (int)number;
        return 0;
    case FS_FIELD_BOOL:
        *MEMBER(bool, element, column) = number != 0;
        return 0;
    case FS_FIELD_BITS:
        if (number < 0 || number > UINT32_MAX) return bad();
        *MEMBER(uint32_t, element, column) = (uint32_t)number;
        return 0;
    case FS_FIELD_COUNT:
        if (number < 0) return bad();
        *MEMBER(int64_t, element, column) = number;
        return 0;
    default:
        *MEMBER(int64_t, element, column) = number;
        return 0;
    }
}

static bool any_known(const int64_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (numbers[i] != FS_COLUMN_UNKNOWN) return true;
    return false;
}

/* Takes text. */
static json_t *text_value(char *text, bool *failed) {
    json_t *value = text ? json_string(text) : NULL;

    free(text);
    if (!value) *failed = true;
    return value;
}

static json_t *series_of(const int64_t *numbers, size_t count, bool *failed) {
    return any_known(numbers, count) ? text_value(fs_series_text(numbers, count), failed) : NULL;
}

static json_t *write_numbers(const struct fs_field *field, const struct fs_field *column,
                             const void *elements, int64_t *numbers, size_t count, bool *failed) {
    for (size_t i = 0; i < count; i++)
        numbers[i] = number_of(column, element_at(field, elements, i));
    return series_of(numbers, count, failed);
}

static int read_series(const json_t *value, int64_t *numbers, size_t count) {
    return json_is_string(value) ? fs_series_parse(json_string_value(value), numbers, count)
                                 : bad();
}

static int read_numbers(const struct fs_field *field, const struct fs_field *column,
                        const json_t *value, void *elements, int64_t *numbers, size_t count) {
    if (read_series(value, numbers, count)) return -1;
    for (size_t i = 0; i < count; i++)
        if (set_number(column, element_at(field, elements, i), numbers[i])) return -1;
    return 0;
}

/* --- strings: each once --- */

/* Read, each element has its own copy: a short line could be made to fill the memory. */
enum { COPIES_MAX = 2 * 1024 * 1024 };

static bool copies_fit(const char *text, size_t *bytes) {
    *bytes += strlen(text) + 1;
    return *bytes <= COPIES_MAX;
}

static int64_t word_number(json_t *words, const json_t *word) {
    for (size_t i = json_array_size(words); i-- > 0;)
        if (json_equal(json_array_get(words, i), word)) return (int64_t)i;
    return json_array_append(words, (json_t *)(uintptr_t)word)
               ? FS_COLUMN_UNKNOWN
               : (int64_t)json_array_size(words) - 1;
}

static json_t *write_strings(const struct fs_field *field, const struct fs_field *column,
                             const void *elements, int64_t *numbers, size_t count, bool *failed) {
    json_t *words = json_array();
    size_t bytes = 0;

    for (size_t i = 0; words && i < count; i++) {
        const char *text = *MEMBER(char *, element_at(field, elements, i), column);
        json_t *word = text && copies_fit(text, &bytes) ? fs_json_string(text, failed) : NULL;
        numbers[i] = word ? word_number(words, word) : FS_COLUMN_UNKNOWN;
        json_decref(word);
    }
    json_t *at = words ? series_of(numbers, count, failed) : NULL;
    json_t *value = at ? json_pack("{s:o, s:o}", "words", words, "at", at) : NULL;
    if (!value) json_decref(words);
    if (!words || (at && !value)) *failed = true;
    return value;
}

static int read_strings(const struct fs_field *field, const struct fs_field *column,
                        const json_t *value, void *elements, int64_t *numbers, size_t count) {
    const json_t *words = json_object_get(value, "words");
    size_t bytes = 0;

    if (read_series(json_object_get(value, "at"), numbers, count)) return -1;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == FS_COLUMN_UNKNOWN) continue;
        const json_t *word = numbers[i] < 0 ? NULL : json_array_get(words, (size_t)numbers[i]);
        char **text = MEMBER(char *, element_at(field, elements, i), column);
        if (!word) return bad();
        if (fs_json_read_string(word, text)) return -1;
        if (!copies_fit(*text, &bytes)) {
            errno = EFBIG;
            return -1;
        }
    }
    return 0;
}

/* --- masks: most are the one before, shifted --- */

static bool is_shifted(hwloc_const_bitmap_t from, hwloc_const_bitmap_t to, int by) {
    unsigned cpu;

    if (hwloc_bitmap_weight(from) != hwloc_bitmap_weight(to)) return false;
    hwloc_bitmap_foreach_begin(cpu, from) {
        if ((int)cpu + by < 0 || !hwloc_bitmap_isset(to, cpu + (unsigned)by)) return false;
    }
    hwloc_bitmap_foreach_end();
    return true;
}

static hwloc_bitmap_t shifted(hwloc_const_bitmap_t from, int by) {
    hwloc_bitmap_t to = hwloc_bitmap_alloc();
    unsigned cpu;

    if (!to) return NULL;
    hwloc_bitmap_foreach_begin(cpu, from) {
        const long moved = (long)cpu + by;
        if (moved >= 0 && moved < FS_MASK_CPUS) hwloc_bitmap_set(to, (unsigned)moved);
    }
    hwloc_bitmap_foreach_end();
    if (hwloc_bitmap_weight(to) == hwloc_bitmap_weight(from)) return to;
    hwloc_bitmap_free(to);
    errno = EBADMSG;
    return NULL;
}

static char *mask_item(hwloc_const_bitmap_t before, hwloc_const_bitmap_t mask) {
    char *item = NULL;

    if (!mask || hwloc_bitmap_weight(mask) < 0) return strdup("u");
    const int by = before ? hwloc_bitmap_first(mask) - hwloc_bitmap_first(before) : 0;
    if (before && !hwloc_bitmap_iszero(mask) && is_shifted(before, mask, by))
        return asprintf(&item, "%+d", by) < 0 ? NULL : item;
    char *list = fs_mask_text(mask);
    if (!list || asprintf(&item, "=%s", list) < 0) item = NULL;
    free(list);
    return item;
}

static json_t *write_masks(const struct fs_field *field, const struct fs_field *column,
                           const void *elements, size_t count, bool *failed) {
    hwloc_const_bitmap_t before = NULL;
    char *text = NULL, *last = NULL;
    size_t size, times = 0;
    bool known = false;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; out && i <= count; i++) {
        hwloc_const_bitmap_t mask =
            i < count ? *MEMBER(hwloc_bitmap_t, element_at(field, elements, i), column) : NULL;
        char *item = i < count ? mask_item(before, mask) : NULL;
        if (i < count && !item) *failed = true;
        const bool again = last && item && strcmp(item, last) == 0 && *item != '=';
        if (last && !again) fprintf(out, times > 1 ? "%sx%zu" : "%s", last, times);
        if (last && !again && i < count) fputc(';', out);
        times = again ? times + 1 : 1;
        free(last);
        last = item;
        known = known || (item && *item != 'u');
        if (item && *item != 'u') before = mask;
    }
    if (!out || fclose(out)) *failed = true;
    if (known && !*failed) return text_value(text, failed);
    free(text);
    return NULL;
}

/* One item, without its number of times: the mask, or NULL with errno. */
static hwloc_bitmap_t parse_mask(const char *text, size_t length, hwloc_const_bitmap_t before) {
    if (*text != '=') {
        char *end;
        const long by = strtol(text, &end, 10);
        if (before && end == text + length && by > -FS_MASK_CPUS && by < FS_MASK_CPUS)
            return shifted(before, (int)by);
        errno = EBADMSG;
        return NULL;
    }
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (mask && fs_mask_parse(mask, text + 1, length - 1) == 0) return mask;
    hwloc_bitmap_free(mask);
    return NULL;
}

/* The item at *text and how often it stands; *length without that. */
static int take_mask_item(const char *text, size_t room, size_t *length, long *times) {
    char *end;

    *length = strcspn(text, "x;");
    *times = 1;
    if (*length == 0) return bad();
    if (text[*length] != 'x') return 0;
    *times = strtol(text + *length + 1, &end, 10);
    return *times < 1 || (size_t)*times > room || (*end && *end != ';') ? bad() : 0;
}

static int read_masks(const struct fs_field *field, const struct fs_field *column,
                      const json_t *value, void *elements, size_t count) {
    const char *text = json_string_value(value);
    hwloc_const_bitmap_t before = NULL;
    size_t done = 0, length;
    long times;

    if (!text || json_string_length(value) > TEXT_MAX) return bad();
    while (done < count) {
        if (take_mask_item(text, count - done, &length, &times)) return -1;
        for (; times > 0; times--, done++) {
            if (*text == 'u' && length == 1) continue;
            hwloc_bitmap_t mask = parse_mask(text, length, before);
            if (!mask) return -1;
            *MEMBER(hwloc_bitmap_t, element_at(field, elements, done), column) = mask;
            before = mask;
        }
        text += strcspn(text, ";");
        if (done < count && *text++ != ';') return bad();
    }
    return *text ? bad() : 0;
}

/* --- all columns --- */

static json_t *write_column(const struct fs_field *field, const struct fs_field *column,
                            const void *elements, int64_t *numbers, size_t count, bool *failed) {
    if (column->type == FS_FIELD_STRING)
        return write_strings(field, column, elements, numbers, count, failed);
    if (column->type == FS_FIELD_MASK) return write_masks(field, column, elements, count, failed);
    return write_numbers(field, column, elements, numbers, count, failed);
}

json_t *fs_columns_write(const struct fs_field *field, const void *elements, size_t count,
                         bool *failed) {
    json_t *object = json_pack("{s:I}", "n", (json_int_t)count);
    int64_t *numbers = calloc(count + 1, sizeof *numbers);

    if (!object || !numbers) *failed = true;
    for (size_t i = 0; !*failed && i < field->fields->count; i++) {
        const struct fs_field *column = &field->fields->field[i];
        json_t *value = write_column(field, column, elements, numbers, count, failed);
        if (value && json_object_set_new(object, column->name, value)) *failed = true;
    }
    free(numbers);
    if (!*failed) return object;
    json_decref(object);
    return NULL;
}

static int read_column(const struct fs_field *field, const struct fs_field *column,
                       const json_t *value, void *elements, int64_t *numbers, size_t count) {
    if (column->type == FS_FIELD_STRING)
        return read_strings(field, column, value, elements, numbers, count);
    if (column->type == FS_FIELD_MASK) return read_masks(field, column, value, elements, count);
    return read_numbers(field, column, value, elements, numbers, count);
}

int fs_columns_read(const struct fs_field *field, const json_t *object, void **elements,
                    size_t *count) {
    const json_t *size = json_object_get(object, "n");
    const json_int_t told = json_is_integer(size) ? json_integer_value(size) : -1;
    int result = 0;

    if (told < 0 || (uint64_t)told > field->length) return bad();
    if (told == 0) return 0;
    char *list = calloc((size_t)told, field->fields->size);
    int64_t *numbers = calloc((size_t)told, sizeof *numbers);
    if (list) {
        *elements = list;
        *count = (size_t)told;
    }
    for (size_t i = 0; list && i < *count; i++)
        fs_fields_init(field->fields, element_at(field, list, i));
    if (!list || !numbers) result = -1;
    for (size_t i = 0; result == 0 && i < field->fields->count; i++) {
        const struct fs_field *column = &field->fields->field[i];
        const json_t *value = json_object_get(object, column->name);
        if (value) result = read_column(field, column, value, list, numbers, *count);
    }
    const int error = errno;
    free(numbers);
    errno = error;
    return result;
}
