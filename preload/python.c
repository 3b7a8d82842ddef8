/*
 * python.c - the Python lines above a call.
 *
 * Normal code, before the real call. The interpreter is asked only when the
 * calling thread holds its lock and no error is set; names come from the stable C
 * API by dlsym, so one shim serves every interpreter from 3.8 on. Frames become
 * objects in this, which may start the garbage collector and with it any code of
 * the application: it is held off meanwhile, for in os.fork locks are held.
 */
#include <string.h>

#include "preload/shim.h"
#include "preload/text.h"

typedef void object; /* PyObject, PyFrameObject, PyCodeObject */

enum { MOST_FRAMES = 128 };

/* Exported by an interpreter in the global scope: the program itself or a
 * libpython that it was linked with. */
extern int PyGILState_Check(void) __attribute__((weak));

#define FUNCTIONS(X)                                                                               \
    X(object *, PyGILState_GetThisThreadState, (void))                                             \
    X(object *, _PyThreadState_UncheckedGet, (void))                                               \
    X(object *, PyThreadState_GetUnchecked, (void))                                                \
    X(int, Py_IsInitialized, (void))                                                               \
    X(object *, PySys_GetObject, (const char *))                                                   \
    X(long, PyLong_AsLong, (object *))                                                             \
    X(object *, PyErr_Occurred, (void))                                                            \
    X(void, PyErr_Clear, (void))                                                                   \
    X(object *, PyEval_GetFrame, (void))                                                           \
    X(int, PyFrame_GetLineNumber, (object *))                                                      \
    X(object *, PyFrame_GetCode, (object *))                                                       \
    X(object *, PyFrame_GetBack, (object *))                                                       \
    X(object *, PyObject_GetAttrString, (object *, const char *))                                  \
    X(const char *, PyUnicode_AsUTF8, (object *))                                                  \
    X(void, Py_IncRef, (object *))                                                                 \
    X(void, Py_DecRef, (object *))                                                                 \
    X(int, PyGC_Disable, (void))                                                                   \
    X(int, PyGC_Enable, (void))

static struct {
    _Atomic uint32_t state; /* 0: not looked yet, 1: usable, 2: not */
#define POINTER(type, name, arguments) type(*name) arguments;
    FUNCTIONS(POINTER)
#undef POINTER
} python FSP_DATA;

enum { UNKNOWN, USABLE, UNUSABLE };

bool fsp_python_there(void) {
    return PyGILState_Check != NULL;
}
const void *fsp_python_address(void) {
    return (const void *)PyGILState_Check;
}

static bool find_functions(void) {
#define FIND(type, name, arguments) python.name = (__typeof__(python.name))fsp_symbol(#name);
    FUNCTIONS(FIND)
#undef FIND
    if (python._PyThreadState_UncheckedGet == NULL)
        python._PyThreadState_UncheckedGet = python.PyThreadState_GetUnchecked;
    return python.PyGILState_GetThisThreadState && python._PyThreadState_UncheckedGet &&
           python.Py_IsInitialized && python.PyErr_Occurred && python.PyErr_Clear &&
           python.PyEval_GetFrame && python.PyFrame_GetLineNumber &&
           python.PyObject_GetAttrString && python.PyUnicode_AsUTF8 && python.Py_IncRef &&
           python.Py_DecRef;
}

static bool usable(void) {
    uint32_t state = atomic_load_explicit(&python.state, memory_order_acquire);

    if (PyGILState_Check == NULL) return false;
    if (state == UNKNOWN && !fsp_tls.no_loader) {
        state = find_functions() ? USABLE : UNUSABLE;
        atomic_store_explicit(&python.state, state, memory_order_release);
    }
    return state == USABLE;
}

/* PyGILState_Check alone says yes to everybody once there are subinterpreters. */
static bool holds_lock(void) {
    const object *current = python._PyThreadState_UncheckedGet();

    return current != NULL && current == python.PyGILState_GetThisThreadState() &&
           PyGILState_Check() && python.PyErr_Occurred() == NULL;
}

/* Functions of Py_AtExit are called when nothing is left that could be asked. */
bool fsp_python_may_ask(void) {
    return usable() && python.Py_IsInitialized() && holds_lock();
}

bool fsp_python_ends(void) {
    return usable() && python.PySys_GetObject != NULL && python.PyLong_AsLong != NULL &&
           !python.Py_IsInitialized() && holds_lock();
}

/* New references; NULL (and no error set) when there is none. */
static object *attribute(object *owner, const char *name) {
    object *value = python.PyObject_GetAttrString(owner, name);

    if (value == NULL) python.PyErr_Clear();
    return value;
}

static object *code_of(object *frame) {
    return python.PyFrame_GetCode != NULL ? python.PyFrame_GetCode(frame)
                                          : attribute(frame, "f_code");
}

static object *back_of(object *frame) {
    return python.PyFrame_GetBack != NULL ? python.PyFrame_GetBack(frame)
                                          : attribute(frame, "f_back");
}

typedef void visitor(object *code, int line, void *context);

/* ---- the exception that ended the main program ---- */

enum { FAILURE_FRAMES = 24, DEEPEST = 1 << 16 };

static int line_of(object *entry) {
    object *value = attribute(entry, "tb_lineno");
    const long line = value != NULL ? python.PyLong_AsLong(value) : 0;

    if (value != NULL) python.Py_DecRef(value);
    if (python.PyErr_Occurred() != NULL) python.PyErr_Clear();
    return line > 0 && line < INT32_MAX ? (int)line : 0;
}

/* Any object may lie there: it is asked by names alone. */
static object *failed_code(object *entry) {
    object *frame = attribute(entry, "tb_frame");
    object *code = frame != NULL ? attribute(frame, "f_code") : NULL;

    if (frame != NULL) python.Py_DecRef(frame);
    return code;
}

static void visit_entry(object *entry, visitor *visit, void *context) {
    object *code = failed_code(entry);

    if (code != NULL) visit(code, line_of(entry), context);
    if (code != NULL) python.Py_DecRef(code);
    python.Py_DecRef(entry);
}

/* Innermost first, where a traceback begins with the outermost. */
static void walk_failure(visitor *visit, void *context) {
    object *last[FAILURE_FRAMES], *entry = python.PySys_GetObject("last_traceback"), *next;
    unsigned count = 0;

    if (entry != NULL) python.Py_IncRef(entry);
    for (; entry != NULL && count < DEEPEST; entry = next) {
        next = attribute(entry, "tb_next"); /* None has none */
        if (count >= FAILURE_FRAMES) python.Py_DecRef(last[count % FAILURE_FRAMES]);
        last[count++ % FAILURE_FRAMES] = entry;
    }
    if (entry != NULL) python.Py_DecRef(entry);
    for (unsigned i = 0; i < count && i < FAILURE_FRAMES; i++)
        visit_entry(last[(count - 1 - i) % FAILURE_FRAMES], visit, context);
}

static bool same_name(object *code, const char *wanted) {
    object *value = attribute(code, "co_name");
    const char *name = value != NULL ? python.PyUnicode_AsUTF8(value) : NULL;
    const bool same = name != NULL && fsp_starts(name, wanted) && name[fsp_length(wanted)] == '\0';

    if (value != NULL && name == NULL) python.PyErr_Clear();
    if (value != NULL) python.Py_DecRef(value);
    return same;
}

/* An extension may print an exception of a callback, too, and go on: that one did not come up
 * to where programs begin. */
static bool is_of_main(void) {
    object *entry = python.PySys_GetObject("last_traceback");
    object *code = entry != NULL ? failed_code(entry) : NULL;
    const bool outermost =
        code != NULL && (same_name(code, "<module>") || same_name(code, "_run_module_as_main"));

    if (code != NULL) python.Py_DecRef(code);
    return outermost;
}

enum fsp_mpi_ending fsp_python_ending(char *name, size_t size) {
    object *type = python.PySys_GetObject("last_type"), *value;
    const char *text;

    name[0] = '\0';
    if (type == NULL) return FSP_MPI_ENDING_PLAIN;
    if (!is_of_main()) return FSP_MPI_ENDING_UNSEEN;
    value = attribute(type, "__name__");
    text = value != NULL ? python.PyUnicode_AsUTF8(value) : NULL;
    if (text != NULL) fsp_text_copy(name, size, text);
    if (value != NULL && text == NULL) python.PyErr_Clear();
    if (value != NULL) python.Py_DecRef(value);
    return FSP_MPI_ENDING_EXCEPTION;
}

/* ---- the frames of the calling thread ---- */

/* Innermost first. The last f_back of all is None, which has no code. */
static void walk_frames(visitor *visit, void *context) {
    object *frame = python.PyEval_GetFrame(); /* borrowed */

    if (frame == NULL) python.PyErr_Clear();
    if (frame != NULL) python.Py_IncRef(frame);
    for (unsigned i = 0; i < MOST_FRAMES && frame != NULL; i++) {
        object *code = code_of(frame), *back = NULL;

        if (code != NULL) {
            visit(code, python.PyFrame_GetLineNumber(frame), context);
            python.Py_DecRef(code);
            back = back_of(frame);
        }
        python.Py_DecRef(frame);
        frame = back;
    }
    if (frame != NULL) python.Py_DecRef(frame);
}

/* Of an interpreter that ends: those of the exception that ended it. */
static void walk(visitor *visit, void *context) {
    const int collecting = python.PyGC_Disable != NULL ? python.PyGC_Disable() : 0;

    (python.Py_IsInitialized() ? walk_frames : walk_failure)(visit, context);
    if (collecting && python.PyGC_Enable != NULL) python.PyGC_Enable();
}

static void add_to_key(object *code, int line, void *context) {
    uint64_t *key = context;

    *key =
        (*key ^ (uint64_t)(uintptr_t)code ^ (uint64_t)(uint32_t)line << 40) * 0x9e3779b97f4a7c15ull;
    *key ^= *key >> 32;
}

uint64_t fsp_python_key(void) {
    uint64_t key = FSP_SITE_PYTHON;

    if (!fsp_python_may_ask()) return 0;
    walk(add_to_key, &key);
    return key != FSP_SITE_PYTHON ? key : 0;
}

uint64_t fsp_python_failure_key(void) {
    uint64_t key = ~(uint64_t)FSP_SITE_PYTHON;

    walk(add_to_key, &key);
    return key;
}

/* ---- text ---- */

/* The innermost frames tell what the call is for: they are kept in any case. */
enum { INNERMOST = 6 };

struct lines {
    struct fsp_text text;
    unsigned frames;
    bool users_only; /* leave out what was installed, but for the innermost frames */
};

/* "site-packages/...": the file of a package that was installed; NULL: it is none. */
static const char *package_of(const char *file) {
    const char *found = fsp_find(file, "/site-packages/");

    if (found == NULL) found = fsp_find(file, "/dist-packages/");
    return found != NULL ? found + 1 : NULL;
}

/* ".../lib/python3.11/threading.py", but nothing that was installed beside it. */
static bool is_standard(const char *file) {
    return fsp_starts(file, "<frozen") ||
           ((fsp_find(file, "/lib/python3") != NULL || fsp_find(file, "/lib64/python3") != NULL) &&
            package_of(file) == NULL);
}

enum origin { OF_USER, OF_PACKAGE, OF_LIBRARY };

/* Long enough to be told: of the standard library the name, of a package the path in it. */
static const char *shortened(const char *file, enum origin origin) {
    if (origin == OF_LIBRARY) return fsp_text_basename(file);
    return origin == OF_PACKAGE ? package_of(file) : file;
}

static void add_name(struct fsp_text *text, object *code, const char *name, enum origin origin) {
    object *value = attribute(code, name);
    const char *string = value != NULL ? python.PyUnicode_AsUTF8(value) : NULL;

    if (value != NULL && string == NULL) python.PyErr_Clear();
    if (string == NULL) string = "?";
    fsp_text_string(text, shortened(string, origin));
    if (value != NULL) python.Py_DecRef(value);
}

static enum origin origin_of(object *code) {
    object *value = attribute(code, "co_filename");
    const char *file = value != NULL ? python.PyUnicode_AsUTF8(value) : NULL;
    enum origin origin = OF_USER;

    if (file != NULL && is_standard(file)) origin = OF_LIBRARY;
    if (file != NULL && package_of(file) != NULL) origin = OF_PACKAGE;
    if (value != NULL && file == NULL) python.PyErr_Clear();
    if (value != NULL) python.Py_DecRef(value);
    return origin;
}

static void add_line(object *code, int line, void *context) {
    struct lines *lines = context;
    const enum origin origin = origin_of(code);

    if (lines->frames++ >= INNERMOST && origin != OF_USER && lines->users_only) return;
    if (lines->text.length > 0) fsp_text_bytes(&lines->text, "\n", 1);
    add_name(&lines->text, code, "co_filename", origin);
    fsp_text_bytes(&lines->text, ":", 1);
    fsp_text_number(&lines->text, line > 0 ? (uint64_t)line : 0);
    fsp_text_bytes(&lines->text, ":", 1);
    add_name(&lines->text, code, "co_name", OF_USER);
}

void fsp_python_text(struct fsp_site *site) {
    struct lines lines = {.text = {.buffer = site->text, .size = sizeof site->text}};
    size_t length;

    walk(add_line, &lines);
    length = lines.text.length;
    if (!fsp_text_fits(&lines.text)) {
        lines = (struct lines){.text = {.buffer = site->text, .size = sizeof site->text},
                               .users_only = true};
        site->text[0] = '\0';
        walk(add_line, &lines);
    }
    site->text_length = (uint32_t)length;
}
