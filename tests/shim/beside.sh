#!/bin/bash
# Which threads were alive at a fork, and the copy of the stack that forks beside some leave.
. "$(dirname "$0")/common.sh"

beside() { # KIND [COUNT PATTERNS]...
    local kind=$1
    shift
    record "$kind" "$PROGRAMS/beside" "$kind"
    expect "shim/beside/$kind" 0 "$@"
}

# beside=KNOWN/THREADS/MAIN kind=THREADS OF THE FIRST KIND/OF THESE BY THE FORKING ONE
beside alive 2 'birth=fork&beside=1/2/0 kind=2/2' 1 'snapshot mode=600' \
    1 'module .*/programs/beside' 1 'module .*/libforksight.so'
beside joined 1 'birth=fork&beside=1/0/0 kind=0/0' 0 snapshot
beside by_thread 1 'birth=fork&beside=1/1/1 kind=0/0' 1 'snapshot mode=600'
beside renewed 1 'birth=fork&beside=1/0/0 kind=0/0'
beside many 18 'birth=fork&beside=1/1/0 kind=1/1' 16 'snapshot ' 1 'extension=0&lost=0/0/0/0/2'

# The copy ends where the arguments and the environment begin: they are nobody's business.
SECRET_OF_MINE=hush_hush record secret "$PROGRAMS/beside" alive
if compgen -G "$FOLDER/secret/*.stk" >/dev/null && ! grep -q hush_hush "$FOLDER"/secret/*.stk; then
    ok shim/beside/environment_is_left_out
else
    not_ok shim/beside/environment_is_left_out "$(ls "$FOLDER/secret")"
fi

# A limit on the size of files must not end the program, and the record goes without.
mkdir -m 700 "$FOLDER/limit"
recorded "$FOLDER/limit" bash -c 'ulimit -f 8; exec "$0" alive' "$PROGRAMS/beside" \
    >"$FOLDER/limit.out" 2>&1
status=$?
if [ $status = 0 ] && ! compgen -G "$FOLDER/limit/*.stk" >/dev/null; then
    ok shim/beside/limit_of_files
else
    not_ok shim/beside/limit_of_files "status $status, $(ls "$FOLDER/limit")"
fi
exit $FAILED
