#!/bin/bash
# Many processes, threads and events: all are recorded or counted, none breaks.
. "$(dirname "$0")/common.sh"

record forks "$PROGRAMS/storms" forks 1000
expect shim/storms/forks 0 1000 'birth=fork&exit=_exit&started=1 reaped=1' 1 'birth=image&forks=1000' \
    0 'lost=[1-9]'

# The smallest stacks, more at once than the first segment has slots for.
record alive "$PROGRAMS/storms" alive 300
expect shim/storms/alive 0 300 '^thread state=2' 1 'birth=image&threads=300/300/300' 0 'lost=[1-9]'

record threads "$PROGRAMS/storms" threads 5000
found=$(lines '^thread state=2')
lost=$(sed -n 's|^file extension=0 .*lost=[0-9]*/\([0-9]*\)/.*|\1|p' "$RECORD")
if [ "$STATUS" = 0 ] && [ $((found + lost)) = 5000 ] && [ "$(lines 'threads=5000/5000/1 ')" = 1 ]; then
    ok shim/storms/threads
else
    not_ok shim/storms/threads "status $STATUS, $found kept, $lost counted"
fi

record events "$PROGRAMS/storms" events 5000
found=$(lines 'event setenv')
lost=$(sed -n 's|^file extension=0 .*lost=[0-9]*/[0-9]*/\([0-9]*\)/.*|\1|p' "$RECORD")
if [ "$STATUS" = 0 ] && [ $((found + lost)) = 5000 ] && [ "$found" -ge 900 ]; then
    ok shim/storms/events
else
    not_ok shim/storms/events "status $STATUS, $found kept, $lost counted"
fi

# A full memory file system: nothing is killed by SIGBUS, what does not fit is not there.
full='mount -t tmpfs -o size=32k,mode=700 none "$1" && shift && exec "$@"'
mkdir -m 700 "$FOLDER/full"
if unshare -m true 2>/dev/null; then
    for command in "forks 200" "alive 60" "events 300"; do
        if unshare -m sh -c "$full" sh "$FOLDER/full" timeout 60 env LD_PRELOAD="$SHIM" \
            FORKSIGHT_SEGMENTS="$FOLDER/full" "$PROGRAMS/storms" $command; then
            ok "shim/storms/full_folder_${command%% *}"
        else
            not_ok "shim/storms/full_folder_${command%% *}" "status $?"
        fi
    done
else
    skip shim/storms/full_folder "no right to mount"
fi
exit $FAILED
