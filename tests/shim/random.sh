#!/bin/bash
# The state of numpy's global generator that fork children inherit: read, not changed.
. "$(dirname "$0")/common.sh"
PYTHON=${PYTHON:-/usr/bin/python3}
if ! "$PYTHON" -c 'import numpy' 2>/dev/null; then
    skip shim/random "$PYTHON has no numpy"
    exit 0
fi

cat >"$FOLDER/job.py" <<'END'
import os, signal, sys, time
def child(body, wait=True):
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(0)
    if wait:
        os.waitpid(pid, 0)
    return pid
def drawn(count):
    return lambda: print(np.random.random(count)[-1], flush=True)
if "numpy" in sys.argv[1:]:
    import numpy as np
    np.random.seed(5)
for word in sys.argv[1:]:
    if word == "same":
        child(drawn(100)), child(drawn(101))
    elif word == "idle":
        child(lambda: None)
    elif word == "draw":
        np.random.random(3)
    elif word == "killed":
        read, write = os.pipe()
        pid = child(lambda: (np.random.random(40), os.write(write, b"x"), time.sleep(60)), False)
        os.read(read, 1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    elif word == "other":
        np.random.mtrand._rand = np.random.RandomState(np.random.PCG64(1))
        child(lambda: None)
    elif word == "lazy":
        class Lazy(type(sys)):
            def __getattribute__(self, name):
                raise SystemExit("code of the application ran")
        sys.modules["numpy.random.mtrand"] = Lazy("numpy.random.mtrand")
        child(lambda: None)
    elif word == "strange":
        sys.modules["numpy.random.mtrand"] = object()
        child(lambda: None)
END

# Positions are in words of 32 bits; a double takes two of them.
record same "$PYTHON" "$FOLDER/job.py" numpy same
expect shim/random/same 0 1 'random=1&exit=200 kill=-1' 1 'random=1&exit=202' \
    1 'generator size=2528&position=624'
"$PYTHON" "$FOLDER/job.py" numpy same >"$FOLDER/bare"
if cmp -s "$FOLDER/bare" "$FOLDER/same.out"; then
    ok shim/random/numbers_are_the_same
else
    not_ok shim/random/numbers_are_the_same "$(cat "$FOLDER/bare" "$FOLDER/same.out")"
fi

# The key tells states: one child of one state, then two of the next. One file.
record moved "$PYTHON" "$FOLDER/job.py" numpy idle draw idle idle
expect shim/random/moved 0 1 'random=1&exit=624' 2 'random=1&exit=6 ' 1 'generator' \
    1 'generator&position=6$'
record killed "$PYTHON" "$FOLDER/job.py" numpy killed
expect shim/random/killed 0 1 'random=1&exit=-1 kill=80' 0 'generator'
record without "$PYTHON" "$FOLDER/job.py" idle idle
expect shim/random/without_numpy 0 2 'birth=fork&random=0 key=0 exit=-1'
record other "$PYTHON" "$FOLDER/job.py" numpy other other
expect shim/random/other_generator 0 2 'birth=fork&random=2 key=0'
record lazy "$PYTHON" "$FOLDER/job.py" numpy lazy
expect shim/random/no_code_of_the_application 0 1 'birth=fork&random=2 key=0'
record strange "$PYTHON" "$FOLDER/job.py" numpy strange
expect shim/random/no_module 0 1 'birth=fork&random=0 key=0'
exit $FAILED
