/*
 * python_modules.h - which modules a Python text imports, and which of them are known not to share
 * out work among the tasks of a launcher.
 */
#ifndef FS_PYTHON_MODULES_H
#define FS_PYTHON_MODULES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Visits the first part of the name of each module that the statements of a text import ("a" of
 * `import a.b as c`), until a visit returns true, which is then the result. Relative imports are
 * left out.
 */
typedef bool fs_import_visitor(void *context, const char *name, size_t length);
bool fs_python_imports(const char *text, size_t size, fs_import_visitor *visit, void *context);

/* A module of Python itself, or of packages for numbers and files: whoever shares out work by one
 * of them says so in his own text. */
bool fs_python_module_is_known(const char *name, size_t length);

#endif
