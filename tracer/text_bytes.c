#include "tracer/text_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fs_utf8_decode(const char *text, uint32_t *code) {
    const unsigned char *byte = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int length = byte[0] < 0x80   ? 1
                       : byte[0] < 0xc2 ? 0
                       : byte[0] < 0xe0 ? 2
                       : byte[0] < 0xf0 ? 3
                       : byte[0] < 0xf5 ? 4
                                        : 0;
    if (length < 2) {
        *code = byte[0];
        return length;
    }
    *code = byte[0] & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (byte[i] & 0x3f);
    }
    const bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[length] || *code > 0x10ffff || surrogate ? 0 : length;
}

bool fs_utf8_valid(const char *text, size_t length) {
    uint32_t code;
    for (size_t at = 0; at < length;) {
        const size_t step = (size_t)fs_utf8_decode(text + at, &code);
        if (step == 0 || at + step > length) return false;
        at += step;
    }
    return true;
}

char *fs_utf8_clean(const char *text, size_t length) {
    static const char replacement[] = "\xef\xbf\xbd";
    char *clean = malloc(3 * length + 1), *end = clean;
    uint32_t code;
    if (!clean) return NULL;
    for (size_t at = 0; at < length;) {
        const size_t step = (size_t)fs_utf8_decode(text + at, &code);
        const bool whole = step > 0 && at + step <= length;
        const char *from = whole ? text + at : replacement;
        const size_t bytes = whole ? step : sizeof replacement - 1;
        memcpy(end, from, bytes);
        end += bytes;
        at += whole ? step : 1;
    }
    *end = '\0';
    return clean;
}

size_t fs_utf8_cut(const char *text, size_t most) {
    const size_t length = strnlen(text, most + 1);
    uint32_t code;
    if (length <= most) return length;
    for (size_t back = 1; back < 4 && back <= most; back++)
        if ((size_t)fs_utf8_decode(text + most - back, &code) > back) return most - back;
    return most;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *fs_base64_encode(const char *bytes, size_t length) {
    const unsigned char *from = (const unsigned char *)bytes;
    char *text = malloc((length + 2) / 3 * 4 + 1), *end = text;
    if (!text) return NULL;
    for (size_t at = 0; at < length; at += 3) {
        const size_t left = length - at;
        const uint32_t three = (uint32_t)from[at] << 16 |
                               (left > 1 ? (uint32_t)from[at + 1] << 8 : 0) |
                               (left > 2 ? from[at + 2] : 0);
        *end++ = digits[three >> 18];
        *end++ = digits[three >> 12 & 63];
        *end++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *end++ = left > 2 ? digits[three & 63] : '=';
    }
    *end = '\0';
    return text;
}

static int digit_value(char digit) {
    const char *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* Four digits to bytes; their number, or -1. Only the last four of a text may be padded. */
static int decode_four(const char *text, bool last, char *into) {
    const int padding = last ? (text[3] == '=') + (text[3] == '=' && text[2] == '=') : 0;
    uint32_t three = 0;
    for (int i = 0; i < 4; i++) {
        const int value = i >= 4 - padding ? 0 : digit_value(text[i]);
        if (value < 0) return -1;
        three = three << 6 | (uint32_t)value;
    }
    for (int i = 0; i < 3; i++)
        into[i] = (char)(three >> (16 - 8 * i));
    return (three & ((1u << 8 * padding) - 1)) ? -1 : 3 - padding;
}

char *fs_base64_decode(const char *text, size_t *length) {
    const size_t whole = strlen(text);
    char *bytes = malloc(whole / 4 * 3 + 4);
    int taken = whole % 4 ? -1 : 0;
    if (!bytes) return NULL;
    *length = 0;
    for (size_t at = 0; at < whole && taken >= 0; at += 4) {
        taken = decode_four(text + at, at + 4 == whole, bytes + *length);
        if (taken > 0) *length += (size_t)taken;
    }
    if (taken < 0) {
        free(bytes);
        errno = EBADMSG;
        return NULL;
    }
    bytes[*length] = '\0';
    return bytes;
}
