"""THR-06: OpenMP runtimes that packages bring with them, in one process.

usage: thr06_two_runtimes.py LIBRARY ...

Loads each library as an extension module would. To expect: THR-06 when LLVM's libomp and
Intel's libiomp5 are both among them; no finding when two names lead to one file, as
distributions link them, or for one runtime.
"""
import ctypes
import os
import sys

for path in sys.argv[1:]:
    ctypes.CDLL(path, mode=os.RTLD_LOCAL | os.RTLD_NOW)
    print("loaded", os.path.basename(path))
