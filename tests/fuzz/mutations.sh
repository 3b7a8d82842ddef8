#!/bin/bash
# Feeds damaged records to the readers: some thousand mutations, the same each time.
# BUILD: folder with mutate/. Prints "ok NAME" or "not ok NAME: why".
set -u
failed=0
count=0
for driver in "${BUILD:-build}"/mutate/fuzz_*; do
    case $driver in *.d) continue ;; esac # what the driver was made from
    [ -x "$driver" ] || continue
    count=$((count + 1))
    if output=$(timeout 300 "$driver" 5000 2>&1); then
        echo "ok fuzz/${driver##*/fuzz_}"
    else
        echo "not ok fuzz/${driver##*/fuzz_}: status $?: $(printf %s "$output" | tail -n 3 | tr '\n' ' ')"
        failed=1
    fi
done
[ $count -gt 0 ] || { echo "not ok fuzz/drivers: none was built"; failed=1; }
exit $failed
