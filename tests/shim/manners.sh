#!/bin/bash
# The application notices nothing: descriptors, errno, environment, signals, thread
# ends, small stacks, early constructors, full or foreign folders.
. "$(dirname "$0")/common.sh"

manner() { # KIND [COUNT PATTERNS]...
    local kind=$1
    shift
    record "$kind" "$PROGRAMS/manners" "$kind"
    expect "shim/manners/$kind" 0 "$@"
}

manner descriptors
manner errno 1 'event setenv&OMP_NUM_THREADS=2'
manner wait 4 'birth=fork&reaped=1'
manner ends 1 'birth=image&threads=3/3/' 3 'thread state=2'
manner environment 3 'event repaired' 1 'repaired=1&executable=.*/env' 2 'repaired=1&executable=.*/true'
manner filters 2 'birth=fork&exit=none&reaped=1 status=400' 1 'birth=fork&code=6' 1 'file .* off=4 '
manner limited 1 'birth=fork&code=3&reaped=1' 0 'snapshot '
manner affinity 1 'birth=image&calls=3&mask=1 before=[^0]' 2 'mask=1( |$)&before=|^thread'
manner refused 1 'birth=image&execs=9 exec_errno=14' 1 'birth=vfork&code=4&exec_errno=14' \
    0 'event repaired'
manner small_stack 1 'event repaired&text=/bin/true' 1 'repaired=1&executable=.*/true'
manner syscalls
manner unseen_waits 1 'birth=image&forks=2 &flags=1 '
manner forsaken 1 'birth=image&forks=1 &flags=0 '
if grep -q "^ONLY=1" "$FOLDER/environment.out" &&
    [ "$(grep -vc -e "^ONLY=" -e "^LD_PRELOAD=" -e "^FORKSIGHT_" "$FOLDER/environment.out")" = 0 ]; then
    ok shim/manners/clean_environment
else
    not_ok shim/manners/clean_environment "$(tr '\n' ' ' <"$FOLDER/environment.out")"
fi

# Without the variable nothing is made, whatever else is set.
mkdir -m 700 "$FOLDER/off"
if LD_PRELOAD=$SHIM FORKSIGHT_SHIM=1 "$PROGRAMS/births" fork && [ -z "$(ls "$FOLDER/off")" ]; then
    ok shim/manners/off
else
    not_ok shim/manners/off "the program failed or something was written"
fi

# Folders that are not ours alone, or not there, switch the recorder off.
mkdir -m 777 "$FOLDER/open"
ln -s "$FOLDER/off" "$FOLDER/link"
for folder in "$FOLDER/open" "$FOLDER/link" "$FOLDER/missing" relative "" /; do
    recorded "$folder" "$PROGRAMS/births" spawn || not_ok shim/manners/folder "failed with '$folder'"
done
if [ -z "$(find "$FOLDER/open" "$FOLDER/off" -mindepth 1)" ]; then
    ok shim/manners/foreign_folder
else
    not_ok shim/manners/foreign_folder "a file was made in a folder that others can write"
fi

# The folder was taken away: what is there goes on, what comes is not recorded.
mkdir -m 700 "$FOLDER/away"
if recorded "$FOLDER/away" sh -c "rm -r '$FOLDER/away'; '$PROGRAMS/births' fork && '$PROGRAMS/storms' forks 100"; then
    ok shim/manners/folder_gone
else
    not_ok shim/manners/folder_gone "status $?"
fi

# A killed process leaves what it had stored.
mkdir -m 700 "$FOLDER/kill"
recorded "$FOLDER/kill" sh -c 'kill -9 $$' 2>/dev/null
# shellcheck disable=SC2034 # both are read by common.sh
RECORD=$FOLDER/kill.txt STATUS=0
"$PROGRAMS/segments" "$FOLDER/kill"/*.[se][ex][gt] >"$RECORD" 2>&1
expect shim/manners/kill_9 0 1 'file .*ready=1 .*mode=600'

# Whatever files the application takes from itself: the collector reads ours.
mkdir -m 700 "$FOLDER/umask"
(umask 0777 && recorded "$FOLDER/umask" "$PROGRAMS/births" spawn)
# shellcheck disable=SC2034
RECORD=$FOLDER/umask.txt STATUS=$?
"$PROGRAMS/segments" "$FOLDER/umask"/*.[se][ex][gt] >"$RECORD" 2>&1
expect shim/manners/umask 0 2 'file .*ready=1 .*mode=600'

# A library's constructor runs before ours: it forks and makes a thread.
cat >"$FOLDER/early.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *run(void *argument) { return argument; }
__attribute__((constructor)) static void early(void) {
    pthread_t thread;
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(9);
    if (waitpid(pid, &status, 0) != pid || status != 9 << 8) _exit(90);
    if (pthread_create(&thread, NULL, run, NULL) != 0 || pthread_join(thread, NULL) != 0) _exit(91);
}
int early_value(void) { return 0; }
END
echo 'int early_value(void); int main(void) { return early_value(); }' >"$FOLDER/main.c"
if ${CC:-cc} -shared -fPIC -o "$FOLDER/libearly.so" "$FOLDER/early.c" -pthread &&
    ${CC:-cc} -o "$FOLDER/early" "$FOLDER/main.c" -L"$FOLDER" -learly -Wl,-rpath,"$FOLDER"; then
    record early_run "$FOLDER/early"
    expect shim/manners/early_constructor 0 1 'birth=fork&code=9&reaped=1' 1 'thread state=2'
else
    skip shim/manners/early_constructor "no C compiler"
fi

# What another preload object makes of system calls stays.
echo 'struct sigaction;
long syscall(long number, ...) { return number == 999999 ? 4242 : -1; }
int sigaction(int signal, const struct sigaction *action, struct sigaction *old) {
    return action == (void *)0 && old == (void *)0 ? signal + 4242 : -1;
}' >"$FOLDER/calls.c"
echo '#include <signal.h>
#include <unistd.h>
int main(void) { return syscall(999999) == 4242 && sigaction(1, 0, 0) == 4243 ? 0 : 1; }' >"$FOLDER/caller.c"
if ${CC:-cc} -shared -fPIC -o "$FOLDER/libcalls.so" "$FOLDER/calls.c" &&
    ${CC:-cc} -o "$FOLDER/caller" "$FOLDER/caller.c"; then
    mkdir -m 700 "$FOLDER/calls"
    if recorded "$FOLDER/calls" env LD_PRELOAD="$SHIM $FOLDER/libcalls.so" "$FOLDER/caller"; then
        ok shim/manners/others_system_calls
    else
        not_ok shim/manners/others_system_calls "status $?"
    fi
else
    skip shim/manners/others_system_calls "no C compiler"
fi

# Children of _Fork ask the loader nothing while its locks are held.
record loader "$PROGRAMS/fork_beside_dlopen" libm.so.6 300
expect shim/manners/fork_beside_dlopen 0 300 'birth=_Fork&reaped=1 status=0'

# A sanitizer's runtime must come first: we behind it.
asan=$(${CC:-cc} -print-file-name=libasan.so 2>/dev/null)
if [ -e "$asan" ] && echo 'int main(void) { return 0; }' >"$FOLDER/asan.c" &&
    ${CC:-cc} -fsanitize=address -o "$FOLDER/asan" "$FOLDER/asan.c" 2>/dev/null; then
    mkdir -m 700 "$FOLDER/sanitizer"
    if LD_PRELOAD="$(readlink -f "$asan") $SHIM" FORKSIGHT_SEGMENTS=$FOLDER/sanitizer "$FOLDER/asan"; then
        ok shim/manners/behind_asan
    else
        not_ok shim/manners/behind_asan "status $?"
    fi
else
    skip shim/manners/behind_asan "no libasan"
fi
exit $FAILED
