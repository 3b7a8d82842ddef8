/* variables.c - see variables.h. */
#include "tracer/variables.h"

#include "tracer/text.h"

#include <string.h>

#define X(name, what, value, libraries) {#name, what, value, libraries},
static const struct fsp_recorded_variable variables[] = {FSP_RECORDED_VARIABLES(X)};
#undef X
static const size_t variable_count = sizeof variables / sizeof variables[0];

const struct fsp_recorded_variable *fs_variables(size_t *count) {
    *count = variable_count;
    return variables;
}

const struct fsp_recorded_variable *fs_variable_find(const char *name, size_t length) {
    for (size_t i = 0; i < variable_count; i++)
        if (fs_text_is(name, length, variables[i].name)) return &variables[i];
    return NULL;
}

const char *fs_variable_value(const struct fs_variable *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (list[i].name && strcmp(list[i].name, name) == 0) return list[i].value;
    return NULL;
}

bool fs_variable_steers_threads(const struct fsp_recorded_variable *variable) {
    return variable->what == FSP_VARIABLE_THREADS || variable->what == FSP_VARIABLE_BINDING;
}

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t");
}

/* Behind one positive decimal number with blanks around it; NULL: none there. */
static const char *skip_count(const char *text) {
    text = skip_blanks(text);
    const size_t sign = *text == '+', digits = strspn(text + sign, "0123456789");
    if (digits == 0 || strspn(text + sign, "0") == digits) return NULL;
    return skip_blanks(text + sign + digits);
}

enum fs_variable_verdict fs_variable_judge(const struct fsp_recorded_variable *variable,
                                           const char *value) {
    if (variable->value == FSP_VALUE_TEXT) return FS_VARIABLE_FINE;
    if (*skip_blanks(value) == '\0') return FS_VARIABLE_EMPTY;
    if (variable->value == FSP_VALUE_WORD) return FS_VARIABLE_FINE;
    const char *rest = skip_count(value);
    while (variable->value == FSP_VALUE_COUNTS && rest && *rest == ',')
        rest = skip_count(rest + 1);
    return rest && *rest == '\0' ? FS_VARIABLE_FINE : FS_VARIABLE_NOT_A_NUMBER;
}

bool fs_one_edit_apart(const char *a, size_t a_length, const char *b, size_t b_length) {
    if (a_length > b_length) return fs_one_edit_apart(b, b_length, a, a_length);
    if (b_length - a_length > 1) return false;

    size_t head = 0, tail = 0; /* what both begin and end with */
    while (head < a_length && a[head] == b[head])
        head++;
    while (tail < a_length - head && a[a_length - 1 - tail] == b[b_length - 1 - tail])
        tail++;

    const size_t a_middle = a_length - head - tail, b_middle = b_length - head - tail;
    if (b_middle == 1) return true; /* one character too many, or a wrong one */
    return a_middle == 2 && b_middle == 2 && a[head] == b[head + 1] && a[head + 1] == b[head];
}

const struct fsp_recorded_variable *fs_variable_meant(const char *name, size_t length) {
    if (fs_variable_find(name, length)) return NULL;
    for (size_t i = 0; i < variable_count; i++) {
        const char *known = variables[i].name;
        if (fs_variable_steers_threads(&variables[i]) &&
            fs_one_edit_apart(name, length, known, strlen(known)))
            return &variables[i];
    }
    return NULL;
}
