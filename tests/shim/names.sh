#!/bin/bash
# A program or library that asks whether there is an MPI gets the answer that it would get
# without the shim, which has functions of these names itself.
. "$(dirname "$0")/common.sh"
program=$BUILD/programs/asks_for_mpi
library=$FOLDER/libcopy.so
cp "$BUILD/standins/libasksmpi.so" "$library"

bare=$("$program" "$library")
if [ "$(env LD_PRELOAD="$SHIM" "$program" "$library")" = "$bare" ] &&
    [ "$(grep -c there <<<"$bare")" = 0 ] && [ "$(wc -l <<<"$bare")" = 11 ]; then
    ok shim/names/none
else
    not_ok shim/names/none "$(diff <(echo "$bare") <(env LD_PRELOAD="$SHIM" "$program" "$library"))"
fi

# With an MPI, loaded before or after the shim, all is as ever, too.
for mpi in /usr/lib/x86_64-linux-gnu/libmpich.so.12 /usr/lib/x86_64-linux-gnu/libmpi.so.40; do
    name=shim/names/$(basename "$mpi")
    if [ ! -e "$mpi" ]; then
        skip "$name" "no $mpi"
        continue
    fi
    bare=$(env LD_PRELOAD="$mpi" "$program" "$library")
    shimmed=$(env LD_PRELOAD="$SHIM $mpi" "$program" "$library")
    if [ "$shimmed" = "$bare" ] && grep -q "MPI_Init there" <<<"$bare"; then
        ok "$name"
    else
        not_ok "$name" "$(diff <(echo "$bare") <(echo "$shimmed"))"
    fi
done
exit $FAILED
