#!/bin/bash
# The line of a script that forked, spawned, narrowed a mask or set a variable.
. "$(dirname "$0")/common.sh"
PYTHON=${PYTHON:-/usr/bin/python3}
if ! "$PYTHON" -c pass 2>/dev/null; then
    skip shim/python "no $PYTHON"
    exit 0
fi

cat >"$FOLDER/job.py" <<'END'
import multiprocessing, os, subprocess, sys, threading

def work(number):
    return number + 1

def births(kind):
    with multiprocessing.get_context(kind).Pool(2) as pool:
        assert pool.map(work, range(4)) == [1, 2, 3, 4]

def main():
    for kind in sys.argv[1:]:
        births(kind)
    subprocess.run(["true"], env={})
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    os.environ["OMP_NUM_THREADS"] = "3"
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()

if __name__ == "__main__":
    main()
END
# A site for the forks and one for each thread that the pool starts.
record fork "$PYTHON" "$FOLDER/job.py" fork
expect shim/python/fork 0 2 'birth=fork&reaped=1' 4 "^$FOLDER/job.py:7:births" \
    1 'event setenv&OMP_NUM_THREADS=3' 1 'event repaired' 1 'birth=image&calls=1'
if [ "$(grep -c 'text=.*job.py:14:main' "$RECORD")" = 1 ]; then
    ok shim/python/affinity
else
    not_ok shim/python/affinity "no site at the line of sched_setaffinity"
fi
record spawn "$PYTHON" "$FOLDER/job.py" spawn
expect shim/python/spawn 0 4 'birth=vfork&reaped=[01]' 5 "^$FOLDER/job.py:7:births"

# Deep in a package: the line of the script is there all the same.
mkdir -p "$FOLDER/lib/a-folder-with-a-long-name/of-an-environment/site-packages/deep"
package=$FOLDER/lib/a-folder-with-a-long-name/of-an-environment/site-packages
for ((level = 0; level < 20; level++)); do
    echo "def level_${level}_of_this_package(): return level_$((level + 1))_of_this_package()"
done >"$package/deep/levels.py"
echo "def level_20_of_this_package():
    import os
    if os.fork() == 0: os._exit(0)
    os.wait()" >>"$package/deep/levels.py"
echo "from deep.levels import level_0_of_this_package as start
start()" >"$FOLDER/script.py"
PYTHONPATH=$package record package "$PYTHON" "$FOLDER/script.py"
expect shim/python/package 0 1 'birth=fork&reaped=1' \
    1 'text=site-packages/deep/levels.py:23:level_20_of_this_package' 1 "^$FOLDER/script.py:2:<module>"

record forkserver "$PYTHON" "$FOLDER/job.py" forkserver
expect shim/python/forkserver 0 2 'birth=fork&started=1 reaped=1' 3 'executable=.*python'
exit $FAILED
