/* python_modules.c - see python_modules.h. */
#include "tracer/python_modules.h"

#include <ctype.h>
#include <string.h>

static const char *const known[] = {
    "PIL",
    "__future__",
    "abc",
    "aifc",
    "argparse",
    "array",
    "ast",
    "astropy",
    "asynchat",
    "asyncio",
    "asyncore",
    "atexit",
    "attr",
    "audioop",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cffi",
    "cgi",
    "cgitb",
    "chunk",
    "click",
    "cloudpickle",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "crypt",
    "csv",
    "ctypes",
    "cupy",
    "curses",
    "cv2",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dill",
    "dis",
    "distutils",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "h5py",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "imaplib",
    "imghdr",
    "imp",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "jax",
    "joblib",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "loky",
    "lzma",
    "mailbox",
    "mailcap",
    "marshal",
    "math",
    "matplotlib",
    "mimetypes",
    "mkl",
    "mmap",
    "modulefinder",
    "msilib",
    "msvcrt",
    "multiprocessing",
    "netCDF4",
    "netrc",
    "networkx",
    "nis",
    "nntplib",
    "nt",
    "ntpath",
    "nturl2path",
    "numba",
    "numbers",
    "numexpr",
    "numpy",
    "opcode",
    "operator",
    "optparse",
    "os",
    "ossaudiodev",
    "pandas",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pipes",
    "pkgutil",
    "platform",
    "plistlib",
    "polars",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "psutil",
    "pty",
    "pwd",
    "py_compile",
    "pyarrow",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "pyfftw",
    "pytest",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "scipy",
    "seaborn",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "skimage",
    "sklearn",
    "smtpd",
    "smtplib",
    "sndhdr",
    "socket",
    "socketserver",
    "spwd",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "statsmodels",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "sunau",
    "sympy",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "telnetlib",
    "tempfile",
    "termios",
    "textwrap",
    "threading",
    "threadpoolctl",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "tomllib",
    "torch",
    "torchvision",
    "tqdm",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uu",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xarray",
    "xdrlib",
    "xml",
    "xmlrpc",
    "yaml",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
};

bool fs_python_module_is_known(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == length && memcmp(known[i], name, length) == 0) return true;
    return false;
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static const char *skip_name(const char *at, const char *end) {
    while (at < end && (*at == '_' || isalnum((unsigned char)*at)))
        at++;
    return at;
}

static bool begins(const char *at, const char *end, const char *word) {
    const size_t length = strlen(word);
    return (size_t)(end - at) >= length && memcmp(at, word, length) == 0;
}

/* "a.b as c, d": prose that begins with the same word goes on otherwise. */
static bool visit_list(const char *at, const char *end, fs_import_visitor *visit, void *context) {
    while (at < end) {
        const char *name = skip_blanks(at, end), *behind = skip_name(name, end);
        const char *next = skip_blanks(behind, end);
        if (behind == name) return false;
        if (next < end && !strchr(",.#\r", *next) && !begins(next, end, "as ")) return false;
        if (visit(context, name, (size_t)(behind - name))) return true;
        const char *comma = memchr(next, ',', (size_t)(end - next));
        if (!comma) return false;
        at = comma + 1;
    }
    return false;
}

static bool visit_statement(const char *at, const char *end, fs_import_visitor *visit,
                            void *context) {
    static const char list[] = "import ", from[] = "from ";

    at = skip_blanks(at, end);
    if (begins(at, end, list)) return visit_list(at + sizeof list - 1, end, visit, context);
    if (!begins(at, end, from)) return false;
    const char *name = skip_blanks(at + sizeof from - 1, end), *behind = skip_name(name, end);
    if (behind == name || !memmem(behind, (size_t)(end - behind), " import ", 8)) return false;
    return visit(context, name, (size_t)(behind - name));
}

bool fs_python_imports(const char *text, size_t size, fs_import_visitor *visit, void *context) {
    const char *const end = text + size;

    for (const char *at = text, *stop; at < end; at = stop + 1) {
        for (stop = at; stop < end && *stop != '\n' && *stop != ';';)
            stop++;
        if (visit_statement(at, stop, visit, context)) return true;
    }
    return false;
}
