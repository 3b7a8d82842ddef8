/* stack_python.c - see stack_python.h. */
#include "tracer/stack_python.h"

#include <stdio.h>
#include <string.h>

enum {
    INTERPRETERS_MAX = 64,
    THREADS_MAX = 4096,
    STEPS_MAX = 4 * FS_PYTHON_FRAMES_MAX, /* frames of the interpreter's own are skipped */
    TEXT_MAX = 200,
    LINES_MAX = 16 * 1024,
    OWNED_BY_C = 3, /* FRAME_OWNED_BY_CSTACK, from 3.12 on */
    HEADER = 16,    /* PyObject_HEAD */
    SIZE_AT = HEADER,
};
#define NONE FS_PYTHON_NONE

/* From the headers of 3.9.18, 3.10.13, 3.11.7 and 3.12.1 (Include/internal, cpython). */
static const struct fs_python_layout layouts[] = {
    [9] = {.runtime_interpreters = 32,
           .interpreter_next = 0,
           .interpreter_threads = 8,
           .thread_next = 8,
           .thread_pthread = 176,
           .thread_tid = NONE,
           .thread_cframe = NONE,
           .thread_frame = 24,
           .frame_previous = 24,
           .frame_code = 32,
           .frame_instruction = 104,
           .frame_owner = NONE,
           .code_file = 104,
           .code_name = 112,
           .code_first_line = 40,
           .code_lines = 120,
           .code_bytes = NONE,
           .bytes_data = 32,
           .ascii_data = 48,
           .compact_data = 72},
    [10] = {.runtime_interpreters = 32,
            .interpreter_next = 0,
            .interpreter_threads = 8,
            .thread_next = 8,
            .thread_pthread = 176,
            .thread_tid = NONE,
            .thread_cframe = NONE,
            .thread_frame = 24,
            .frame_previous = 24,
            .frame_code = 32,
            .frame_instruction = 96,
            .frame_owner = NONE,
            .code_file = 104,
            .code_name = 112,
            .code_first_line = 40,
            .code_lines = 120,
            .code_bytes = NONE,
            .bytes_data = 32,
            .ascii_data = 48,
            .compact_data = 72},
    [11] = {.runtime_interpreters = 40,
            .interpreter_next = 0,
            .interpreter_threads = 16,
            .thread_next = 8,
            .thread_pthread = 152,
            .thread_tid = 160,
            .thread_cframe = 56,
            .thread_frame = 8,
            .frame_previous = 48,
            .frame_code = 32,
            .frame_instruction = 56,
            .frame_owner = 69,
            .code_file = 112,
            .code_name = 128,
            .code_first_line = 72,
            .code_lines = 136,
            .code_bytes = 184,
            .bytes_data = 32,
            .ascii_data = 48,
            .compact_data = 72},
    [12] = {.runtime_interpreters = 40,
            .interpreter_next = 0,
            .interpreter_threads = 72,
            .thread_next = 8,
            .thread_pthread = 136,
            .thread_tid = 144,
            .thread_cframe = 56,
            .thread_frame = 0,
            .frame_previous = 8,
            .frame_code = 0,
            .frame_instruction = 56,
            .frame_owner = 70,
            .code_file = 112,
            .code_name = 128,
            .code_first_line = 68,
            .code_lines = 136,
            .code_bytes = 192,
            .bytes_data = 32,
            .ascii_data = 40,
            .compact_data = 56},
};

/* --- memory --- */

static int read_bytes(const struct fs_python *python, uint64_t address, void *into, size_t size) {
    return address ? python->read(python->context, address, into, size) : -1;
}

/* The pointer at address; 0: there is none, or it cannot be read. */
static uint64_t pointer_at(const struct fs_python *python, uint64_t address) {
    uint64_t value;

    return read_bytes(python, address, &value, sizeof value) == 0 ? value : 0;
}

static int32_t int_at(const struct fs_python *python, uint64_t address) {
    int32_t value;

    return read_bytes(python, address, &value, sizeof value) == 0 ? value : 0;
}

/* --- versions --- */

/*
 * 3.13 begins _PyRuntime with a table of offsets (struct _Py_DebugOffsets): a cookie, the
 * version and 8-byte numbers, of which these are the positions.
 */
enum {
    OFFSETS_VERSION = 1,
    OFFSETS_FREE_THREADED = 2, /* its objects have another head */
    OFFSETS_INTERPRETERS = 5,
    OFFSETS_INTERPRETER_NEXT = 8,
    OFFSETS_THREADS = 9,
    OFFSETS_THREAD_NEXT = 21,
    OFFSETS_THREAD_FRAME = 23,
    OFFSETS_PTHREAD = 24,
    OFFSETS_TID = 25,
    OFFSETS_FRAME_PREVIOUS = 29,
    OFFSETS_FRAME_CODE = 30,
    OFFSETS_INSTRUCTION = 31,
    OFFSETS_OWNER = 33,
    OFFSETS_FILE = 35,
    OFFSETS_QUALNAME = 37,
    OFFSETS_LINES = 38,
    OFFSETS_FIRST_LINE = 39,
    OFFSETS_CODE_BYTES = 43,
    OFFSETS_BYTES_DATA = 66,
    OFFSETS_ASCII_SIZE = 70,
    OFFSETS_COUNT = 71,
};

static int read_offsets(struct fs_python *python) {
    static const struct {
        int position;
        size_t member;
    } wanted[] = {
#define WANTED(position, member) {position, offsetof(struct fs_python_layout, member)}
        WANTED(OFFSETS_INTERPRETERS, runtime_interpreters),
        WANTED(OFFSETS_INTERPRETER_NEXT, interpreter_next),
        WANTED(OFFSETS_THREADS, interpreter_threads),
        WANTED(OFFSETS_THREAD_NEXT, thread_next),
        WANTED(OFFSETS_PTHREAD, thread_pthread),
        WANTED(OFFSETS_TID, thread_tid),
        WANTED(OFFSETS_THREAD_FRAME, thread_frame),
        WANTED(OFFSETS_FRAME_PREVIOUS, frame_previous),
        WANTED(OFFSETS_FRAME_CODE, frame_code),
        WANTED(OFFSETS_INSTRUCTION, frame_instruction),
        WANTED(OFFSETS_OWNER, frame_owner),
        WANTED(OFFSETS_FILE, code_file),
        WANTED(OFFSETS_QUALNAME, code_name),
        WANTED(OFFSETS_FIRST_LINE, code_first_line),
        WANTED(OFFSETS_LINES, code_lines),
        WANTED(OFFSETS_CODE_BYTES, code_bytes),
        WANTED(OFFSETS_BYTES_DATA, bytes_data),
        WANTED(OFFSETS_ASCII_SIZE, ascii_data),
#undef WANTED
    };
    uint64_t offsets[OFFSETS_COUNT];

    if (read_bytes(python, python->runtime, offsets, sizeof offsets) != 0 ||
        memcmp(offsets, "xdebugpy", 8) != 0 || offsets[OFFSETS_VERSION] >> 16 != 0x030d ||
        offsets[OFFSETS_FREE_THREADED] != 0)
        return -1;
    python->at.thread_cframe = NONE;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const uint64_t offset = offsets[wanted[i].position];
        if (offset >= NONE) return -1;
        memcpy((char *)&python->at + wanted[i].member, &(uint16_t){(uint16_t)offset},
               sizeof(uint16_t));
    }
    /* The compact form's characters follow a length and a pointer for UTF-8. */
    python->at.compact_data = (uint16_t)(python->at.ascii_data + 16);
    return 0;
}

int fs_python_open(struct fs_python *python, fs_python_read *read, void *context, uint64_t runtime,
                   int minor) {
    *python =
        (struct fs_python){.read = read, .context = context, .runtime = runtime, .minor = minor};
    if (minor < FS_PYTHON_MINOR_MIN || minor > FS_PYTHON_MINOR_MAX || !runtime) return -1;
    if (minor == FS_PYTHON_MINOR_MAX) return read_offsets(python);
    python->at = layouts[minor];
    return 0;
}

/* --- strings --- */

static size_t put_character(uint32_t character, char *text) {
    if (character < 0x20 || character == 0x7f || (character >= 0xd800 && character < 0xe000) ||
        character > 0x10ffff)
        character = '?';
    if (character < 0x80) {
        text[0] = (char)character;
        return 1;
    }
    const size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, character >>= 6)
        text[i] = (char)(0x80 | (character & 0x3f));
    text[0] = (char)((0xf00 >> length) | character);
    return length;
}

/* A str as UTF-8; a long one keeps its end (of a path, that is the file). */
static void read_text(const struct fs_python *python, uint64_t object, char text[TEXT_MAX]) {
    uint8_t raw[TEXT_MAX];
    int64_t characters = 0;
    size_t length = 0;

    memcpy(text, "?", sizeof "?");
    if (!object || read_bytes(python, object + SIZE_AT, &characters, sizeof characters) != 0)
        return;
    const uint32_t state = (uint32_t)int_at(python, object + SIZE_AT + 16);
    const uint32_t width = state >> 2 & 7, compact = state >> 5 & 1, ascii = state >> 6 & 1;
    if (!compact || (width != 1 && width != 2 && width != 4) || (ascii && width != 1) ||
        characters < 1 || characters > 1 << 16)
        return;
    const uint64_t most = (TEXT_MAX - 1) / 4; /* a character has at most 4 bytes of UTF-8 */
    const uint64_t room = ascii ? TEXT_MAX - 1 : most;
    const uint64_t skip = (uint64_t)characters > room ? (uint64_t)characters - room : 0;
    const uint64_t data = object + (ascii ? python->at.ascii_data : python->at.compact_data);
    const size_t count = (size_t)((uint64_t)characters - skip);
    if (count * width > sizeof raw ||
        read_bytes(python, data + skip * width, raw, count * width) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        uint32_t character = 0;
        memcpy(&character, raw + i * width, width);
        length += put_character(ascii && character >= 0x80 ? '?' : character, text + length);
    }
    text[length] = '\0';
}

/* --- lines --- */

/* Up to 3.9: pairs of bytes; 3.10: the same with a mark for "no line". */
static int line_by_pairs(bool marks, const uint8_t *table, size_t length, int line, long offset) {
    long address = 0;

    for (size_t i = 0; i + 1 < length; i += 2) {
        const int change = table[i + 1] < 128 ? table[i + 1] : table[i + 1] - 256;
        if (!marks && address + table[i] > offset) break;
        address += table[i];
        if (!marks || change != -128) line += change;
        if (marks && address > offset) return change == -128 ? 0 : line;
    }
    return marks ? 0 : line;
}

struct varints {
    const uint8_t *at, *end;
};

static unsigned take_varint(struct varints *from) {
    unsigned value = 0, shift = 0;

    while (from->at < from->end) {
        const uint8_t byte = *from->at++;
        if (shift < 30) value |= (byte & 63u) << shift;
        shift += 6;
        if (!(byte & 64)) break;
    }
    return value;
}

static int take_signed(struct varints *from) {
    const unsigned value = take_varint(from);

    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

/* From 3.11 on: a location per run of instructions (Objects/locations.md). */
static int line_by_locations(const uint8_t *table, size_t length, int line, long offset) {
    enum { NO_COLUMNS = 13, LONG_FORM = 14, NO_LOCATION = 15 };
    struct varints from = {table, table + length};
    long address = 0;

    while (from.at < from.end) {
        const uint8_t head = *from.at++;
        const int form = head >> 3 & 15;
        if (!(head & 0x80)) return 0;
        if (form == LONG_FORM || form == NO_COLUMNS)
            line += take_signed(&from);
        else if (form >= 10 && form < NO_COLUMNS)
            line += form - 10;
        address += 2 * ((head & 7) + 1);
        if (address > offset) return form == NO_LOCATION ? 0 : line;
        while (from.at < from.end && !(*from.at & 0x80))
            from.at++; /* columns */
    }
    return 0;
}

int fs_python_line(int minor, const uint8_t *table, size_t length, int first_line, long offset) {
    if (offset < 0) return first_line; /* before the first instruction */
    return minor >= 11 ? line_by_locations(table, length, first_line, offset)
                       : line_by_pairs(minor == 10, table, length, first_line, offset);
}

static long instruction_offset(const struct fs_python *python, uint64_t frame, uint64_t code) {
    if (python->at.code_bytes == NONE) {
        const long last = int_at(python, frame + python->at.frame_instruction);
        return python->minor == 10 ? 2 * last : last; /* counted in instructions there */
    }
    const uint64_t at = pointer_at(python, frame + python->at.frame_instruction);
    const uint64_t begin = code + python->at.code_bytes;
    return at >= begin && at - begin < 1 << 24 ? (long)(at - begin) : -1;
}

static int line_of(const struct fs_python *python, uint64_t frame, uint64_t code) {
    uint8_t table[LINES_MAX];
    const uint64_t object = pointer_at(python, code + python->at.code_lines);
    const int first_line = int_at(python, code + python->at.code_first_line);
    int64_t length = 0;

    if (!object || read_bytes(python, object + SIZE_AT, &length, sizeof length) != 0 ||
        length < 0 || length > LINES_MAX ||
        read_bytes(python, object + python->at.bytes_data, table, (size_t)length) != 0)
        return 0;
    return fs_python_line(python->minor, table, (size_t)length, first_line,
                          instruction_offset(python, frame, code));
}

/* --- threads and frames --- */

/* The thread state that belongs to a thread of the kernel; 0: none does. */
static uint64_t find_thread(const struct fs_python *python, int tid, uint64_t thread_pointer,
                            bool only) {
    const struct fs_python_layout *at = &python->at;
    uint64_t interpreter = pointer_at(python, python->runtime + at->runtime_interpreters);
    int threads = 0;

    for (int i = 0; interpreter && i < INTERPRETERS_MAX; i++) {
        uint64_t thread = pointer_at(python, interpreter + at->interpreter_threads);
        for (; thread && threads < THREADS_MAX; threads++) {
            const uint64_t handle = pointer_at(python, thread + at->thread_pthread);
            if (only || (thread_pointer && handle == thread_pointer) ||
                (at->thread_tid != NONE &&
                 pointer_at(python, thread + at->thread_tid) == (uint64_t)tid))
                return thread;
            thread = pointer_at(python, thread + at->thread_next);
        }
        interpreter = pointer_at(python, interpreter + at->interpreter_next);
    }
    return 0;
}

static uint64_t innermost_frame(const struct fs_python *python, uint64_t thread) {
    const struct fs_python_layout *at = &python->at;
    const uint64_t holder =
        at->thread_cframe == NONE ? thread : pointer_at(python, thread + at->thread_cframe);

    return holder ? pointer_at(python, holder + at->thread_frame) : 0;
}

static bool is_internal(const struct fs_python *python, uint64_t frame) {
    uint8_t owner = 0;

    return python->minor >= 12 &&
           (read_bytes(python, frame + python->at.frame_owner, &owner, 1) != 0 ||
            owner >= OWNED_BY_C);
}

size_t fs_python_stack(const struct fs_python *python, int tid, uint64_t thread_pointer, bool only,
                       char *text, size_t size) {
    const uint64_t thread = find_thread(python, tid, thread_pointer, only);
    uint64_t frame = thread ? innermost_frame(python, thread) : 0;
    size_t count = 0, length = 0;

    text[0] = '\0';
    for (int step = 0; frame && step < STEPS_MAX && count < FS_PYTHON_FRAMES_MAX; step++) {
        const uint64_t code = pointer_at(python, frame + python->at.frame_code);
        if (!code) break;
        if (!is_internal(python, frame)) {
            char file[TEXT_MAX], name[TEXT_MAX];
            read_text(python, pointer_at(python, code + python->at.code_file), file);
            read_text(python, pointer_at(python, code + python->at.code_name), name);
            const int line = line_of(python, frame, code);
            const int put = snprintf(text + length, size - length, "%s%s:%d:%s", count ? "\n" : "",
                                     file, line > 0 ? line : 0, name);
            if (put < 0 || (size_t)put >= size - length) break;
            length += (size_t)put;
            count++;
        }
        frame = pointer_at(python, frame + python->at.frame_previous);
    }
    text[length] = '\0';
    return count;
}
