#!/bin/bash
# A program or library that asks whether there is an MPI, or another library, gets the answer
# that it would get without the shim, which has functions of these names itself.
. "$(dirname "$0")/common.sh"
program=$BUILD/programs/asks_for_mpi
library=$FOLDER/libcopy.so
cp "$BUILD/standins/libasksmpi.so" "$library"

bare=$("$program" "$library")
if [ "$(env LD_PRELOAD="$SHIM" "$program" "$library")" = "$bare" ] &&
    [ "$(grep -c there <<<"$bare")" = 0 ] && [ "$(wc -l <<<"$bare")" = 12 ]; then
    ok shim/names/none
else
    not_ok shim/names/none "$(diff <(echo "$bare") <(env LD_PRELOAD="$SHIM" "$program" "$library"))"
fi

# With an MPI or another library, loaded before or after the shim, all is as ever, too.
for pair in MPI_Init:/usr/lib/x86_64-linux-gnu/libmpich.so.12 \
    MPI_Init:/usr/lib/x86_64-linux-gnu/libmpi.so.40 \
    GOMP_parallel:/usr/lib/x86_64-linux-gnu/libgomp.so.1 \
    ibv_fork_init:"$BUILD/standins/libibverbs.so.1" cuInit:"$BUILD/standins/libcuda.so.1"; do
    library_there=${pair#*:}
    name=shim/names/$(basename "$library_there")
    if [ ! -e "$library_there" ]; then
        skip "$name" "no $library_there"
        continue
    fi
    bare=$(env LD_PRELOAD="$library_there" "$program" "$library")
    shimmed=$(env LD_PRELOAD="$SHIM $library_there" "$program" "$library")
    if [ "$shimmed" = "$bare" ] && grep -q "${pair%%:*} there" <<<"$bare"; then
        ok "$name"
    else
        not_ok "$name" "$(diff <(echo "$bare") <(echo "$shimmed"))"
    fi
done
exit $FAILED
