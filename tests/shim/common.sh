# Sourced by the tests of the preload object: runs a program with it alone (no
# collector) and looks at the segments. BUILD is the folder with libforksight.so
# and programs/.
set -u
BUILD=${BUILD:-build}
SHIM=$BUILD/libforksight.so
PROGRAMS=$BUILD/programs
FOLDER=$(mktemp -d /dev/shm/forksight-shim.XXXXXX) || exit 1
FAILED=0
trap 'rm -rf "$FOLDER"' EXIT

ok() { echo "ok $1"; }
not_ok() {
    echo "not ok $1: $2"
    FAILED=1
}
skip() { echo "skip $1: $2"; }

# recorded FOLDER COMMAND...: runs it recorded, at most a minute.
recorded() {
    local folder=$1
    shift
    timeout 60 env LD_PRELOAD="$SHIM" FORKSIGHT_SEGMENTS="$folder" FORKSIGHT_SHIM=1 "$@"
}

# record NAME COMMAND...: runs it and leaves the record in the text $FOLDER/NAME.txt.
# The status of the command is kept in $STATUS, what it printed in $FOLDER/NAME.out.
record() {
    local name=$1
    shift
    mkdir -m 700 "$FOLDER/$name"
    recorded "$FOLDER/$name" "$@" >"$FOLDER/$name.out" 2>&1
    STATUS=$?
    RECORD=$FOLDER/$name.txt
    "$PROGRAMS/segments" "$FOLDER/$name"/* >"$RECORD" 2>&1
}

# lines PATTERN...: how many lines of the record have all of the patterns.
lines() {
    local text
    text=$(cat "$RECORD")
    for pattern in "$@"; do
        text=$(printf '%s\n' "$text" | grep -E -e "$pattern")
    done
    printf '%s\n' "$text" | grep -c .
}

# expect NAME STATUS [COUNT PATTERNS]...: patterns are separated by "&".
expect() {
    local name=$1 status=$2 why="" count patterns list found
    shift 2
    [ "$STATUS" = "$status" ] || why="status $STATUS: $(tail -n 1 "${RECORD%.txt}.out")"
    while [ -z "$why" ] && [ $# -ge 2 ]; do
        count=$1 patterns=$2
        shift 2
        IFS='&' read -r -a list <<<"$patterns"
        found=$(lines "${list[@]}")
        [ "$found" = "$count" ] || why="$found lines instead of $count with $patterns"
    done
    if [ -z "$why" ]; then ok "$name"; else not_ok "$name" "$why"; fi
}
