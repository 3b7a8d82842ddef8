/*
 * text_bytes.h - paths and arguments are any bytes, JSON and terminals want characters.
 */
#ifndef FS_TEXT_BYTES_H
#define FS_TEXT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character of UTF-8 at text (which ends with a NUL). Returns its length in
 * bytes and sets *code, or 0 for what is no shortest form of a Unicode scalar value. The
 * NUL is a character of length 1.
 */
int fs_utf8_decode(const char *text, uint32_t *code);

/* Are the first length bytes of text (its end, or fewer) whole characters? */
bool fs_utf8_valid(const char *text, size_t length);

/* The first length bytes of text, each that is no part of a character replaced by U+FFFD.
 * For the caller to free; NULL with ENOMEM. */
char *fs_utf8_clean(const char *text, size_t length);

/* The greatest number of bytes, at most `most`, after which text may be cut: not within a
 * character. The whole length if that is not more. */
size_t fs_utf8_cut(const char *text, size_t most);

/* RFC 4648, with padding, without line breaks. For the caller to free; NULL with ENOMEM. */
char *fs_base64_encode(const char *bytes, size_t length);

/* The bytes, with a NUL behind them that does not count; for the caller to free. NULL with
 * EBADMSG for what fs_base64_encode does not make, or ENOMEM. */
char *fs_base64_decode(const char *text, size_t *length);

#endif
