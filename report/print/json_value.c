#include "report/print/json_value.h"

#include "tracer/text_bytes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *made(struct fs_json *json, json_t *value) {
    if (!value) json->failed = true;
    return value;
}

json_t *fs_json_object(struct fs_json *json) {
    return made(json, json_object());
}

json_t *fs_json_array(struct fs_json *json) {
    return made(json, json_array());
}

void fs_json_set(struct fs_json *json, json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) != 0) json->failed = true;
}

void fs_json_append(struct fs_json *json, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) json->failed = true;
}

static json_t *clean_text(const char *text, size_t length, const char *end) {
    char *clean = fs_utf8_clean(text, length);
    json_t *value = clean ? json_pack("s+", clean, end) : NULL;
    free(clean);
    return value;
}

static json_t *base64_text(const char *text, size_t length) {
    char *code = fs_base64_encode(text, length);
    json_t *value = code ? json_string(code) : NULL;
    free(code);
    return value;
}

static void set_beside(struct fs_json *json, json_t *object, const char *name, const char *suffix,
                       json_t *value) {
    char member[64];
    snprintf(member, sizeof member, "%s_%s", name, suffix);
    fs_json_set(json, object, member, value);
}

void fs_json_text(struct fs_json *json, json_t *object, const char *name, const char *text) {
    if (!text) {
        fs_json_set(json, object, name, json_null());
        return;
    }
    const size_t whole = strlen(text), length = fs_utf8_cut(text, FS_JSON_TEXT_MAX);
    fs_json_set(json, object, name, clean_text(text, length, length < whole ? "..." : ""));
    if (!fs_utf8_valid(text, length))
        set_beside(json, object, name, "base64", base64_text(text, length));
    if (length < whole) set_beside(json, object, name, "bytes", json_integer((json_int_t)whole));
}

void fs_json_texts(struct fs_json *json, json_t *object, const char *name, const char *const *texts,
                   size_t count) {
    json_t *array = fs_json_array(json), *codes = fs_json_array(json);
    bool replaced = false;
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i] ? texts[i] : "";
        const size_t length = fs_utf8_cut(text, FS_JSON_TEXT_MAX);
        const bool valid = fs_utf8_valid(text, length);
        fs_json_append(json, array, clean_text(text, length, text[length] ? "..." : ""));
        fs_json_append(json, codes, valid ? json_null() : base64_text(text, length));
        replaced = replaced || !valid;
    }
    fs_json_set(json, object, name, array);
    if (replaced)
        set_beside(json, object, name, "base64", codes);
    else
        json_decref(codes);
}

static json_t *number_of(double value) {
    static const double exact = 9007199254740992; /* 2^53: every integer below is a double */
    if (!isfinite(value)) return json_null();
    if (fabs(value) < exact && value == floor(value)) return json_integer((json_int_t)value);
    return json_real(value);
}

void fs_json_real(struct fs_json *json, json_t *object, const char *name, double value) {
    fs_json_set(json, object, name, number_of(value));
}

void fs_json_count(struct fs_json *json, json_t *object, const char *name, int64_t value) {
    fs_json_set(json, object, name, value < 0 ? json_null() : json_integer(value));
}

void fs_json_seconds(struct fs_json *json, json_t *object, const char *name, int64_t ns) {
    fs_json_real(json, object, name, ns < 0 ? NAN : (double)ns / 1e9);
}

void fs_json_bool(struct fs_json *json, json_t *object, const char *name, bool value) {
    fs_json_set(json, object, name, json_boolean(value));
}

/* jansson leaves one control character as it is: DEL, which is in strings only. */
static int write_ascii(const char *text, size_t size, void *data) {
    FILE *out = data;
    for (size_t i = 0; i < size; i++)
        if ((text[i] == 0x7f ? fputs("\\u007f", out) : putc(text[i], out)) == EOF) return -1;
    return 0;
}

int fs_json_write(struct fs_json *json, json_t *value, FILE *out) {
    int result = -1;
    errno = ENOMEM;
    if (!json->failed) {
        errno = 0;
        result = json_dump_callback(value, write_ascii, out,
                                    JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
        if (result == 0 && (putc('\n', out) == EOF || fflush(out) != 0)) result = -1;
        if (result != 0 && errno == 0) errno = ENOMEM;
    }
    const int error = errno;
    json_decref(value);
    errno = error;
    return result;
}
