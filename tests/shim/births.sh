#!/bin/bash
# Every way to make a process leaves its slot: birth, start, end, and who reaped it.
. "$(dirname "$0")/common.sh"

birth() { # KIND STATUS [COUNT PATTERNS]...
    local kind=$1 status=$2
    shift 2
    record "$kind" "$PROGRAMS/births" "$kind"
    expect "shim/births/$kind" "$status" "$@"
}

birth fork 0 1 'birth=fork&exit=_exit code=3&started=1 reaped=1 status=300' 1 'site call'
birth _Fork 0 1 'birth=_Fork&exit=_exit code=3&started=1 reaped=1'
birth vfork 0 1 'birth=vfork&path=/bin/true&reaped=1' \
    2 'birth=image' 1 'executable=.*/true'
birth vfork_failed 0 1 'birth=vfork&exit=_exit code=4&exec_errno=2&reaped=1 status=400'
birth clone 0 1 'birth=clone&exit=_exit code=7&started=1 reaped=1'
birth clone_storage 0 1 'birth=clone&started=0 reaped=1 status=700'
birth raw_fork 0 1 'birth=unknown&exit=_exit code=3&reaped=1'
birth syscall_fork 0 1 'birth=clone&exit=_exit code=3&started=1 reaped=1'
expect shim/births/of_a_syscall_fork 0 1 \
    "event setenv&pid=$(sed -n 's/child //p' "$FOLDER/syscall_fork.out") &OMP_NUM_THREADS=7"
birth clone3 0 1 'birth=clone&exit=_exit code=3&started=1 reaped=1'
birth spawn 0 1 'birth=spawn&path=/bin/true&reaped=1 status=0' 2 'birth=image'
birth spawnp 0 1 'birth=spawn&path=true&reaped=1' 2 'birth=image'
birth spawn_failed 0 0 'birth=spawn' 1 'event fork_failed a=2 b=6' 1 'birth=image&failures=1'
birth scrubbed 0 1 'event repaired&text=/bin/true' 1 'repaired=1&executable=.*/true'
birth shell 0 2 'event system ' 1 'event system_end a=768' 3 'birth=image' 2 'executable=.*sh$'
birth forkpty 0 1 'birth=forkpty&exit=exit code=3&reaped=1&flags=4'
birth killed 0 1 'birth=fork&exit=none&reaped=1 status=9' 1 'event kill&b=9'
birth chain 0 1 'birth=fork&path=env' 1 'executable=.*/env&repaired=0' 1 'executable=.*/nice' \
    1 'executable=.*/true' 4 'birth=image'

# The orphans end after their parent: wait for their slots.
orphan() { # KIND STATUS PATTERNS
    record "$1" "$PROGRAMS/births" "$1"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.1
        "$PROGRAMS/segments" "$FOLDER/$1"/*.[se][ex][gt] >"$RECORD"
        IFS='&' read -r -a list <<<"$3"
        [ "$(lines "${list[@]}")" = 1 ] && break
    done
    expect "shim/births/$1" "$2" 1 "$3"
}
orphan daemon 0 'birth=daemon&exit=exit code=6&started=1&flags=4'
orphan twice 0 'birth=fork&exit=_exit code=3&reaped=0'
exit $FAILED
