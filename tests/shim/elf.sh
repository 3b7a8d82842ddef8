#!/bin/bash
# What the preload object asks of a system, and what it shows: it must load into
# every program of an old libc, and never be in the way of a symbol.
. "$(dirname "$0")/common.sh"
SOURCES=$(dirname "$0")/../../preload
CEILING=2.17 # the first glibc for AArch64, and RHEL 7's

needed=$(readelf -dW "$SHIM" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if [ "$needed" = libc.so.6 ]; then ok shim/elf/needed; else not_ok shim/elf/needed "$needed"; fi

highest=$(nm -D --with-symbol-versions "$SHIM" | sed -n 's/.*@GLIBC_\([0-9.]*\)$/\1/p' | sort -Vu | tail -n 1)
if [ "$(printf '%s\n' "$highest" "$CEILING" | sort -V | tail -n 1)" = "$CEILING" ]; then
    ok "shim/elf/highest_version_$highest"
else
    not_ok shim/elf/highest_version "GLIBC_$highest is above GLIBC_$CEILING"
fi

exported=$(nm -D --defined-only --with-symbol-versions "$SHIM" | awk '{print $3}' | LC_ALL=C sort)
listed=$(printf '#include "preload/entries.h"\n#include "preload/hooks.h"\n#ifdef __x86_64__\n#include "preload/mpi_calls.h"\n#define N3(n) MPI_##n PMPI_##n\n#else\n#define FSP_MPI_CALLS(X)\n#endif\n#define N1(t, n, a) n\n#define N2(n) n\nNAMES FSP_HOOKS(N1) FSP_ALIASES(N2) FSP_ENTRIES(N1) FSP_MPI_CALLS(N3)\n' |
    ${CC:-cc} -E -P -D_GNU_SOURCE -iquote "$SOURCES/.." -x c - | sed -n 's/^NAMES//p' |
    tr -s ' ' '\n' | grep . | LC_ALL=C sort)
mapped=$(sed -n 's/^ *\([A-Za-z_0-9]*\);$/\1/p' "$SOURCES/forksight.map" | LC_ALL=C sort)
if [ "$exported" = "$listed" ] && [ "$mapped" = "$listed" ]; then
    ok shim/elf/exported
else
    not_ok shim/elf/exported "$(diff <(echo "$exported") <(echo "$listed") | grep '^[<>]' | tr '\n' ' ')"
fi

# What mpi_names.c hides is told by its section.
section=$(readelf -SW "$SHIM" | sed -n 's/^ *\[ *\([0-9]*\)\] fsp_mpi .*/\1/p')
inside=$(readelf --dyn-syms -W "$SHIM" | awk -v section="$section" '$7 == section { print $8 }' | LC_ALL=C sort)
if [ "$inside" = "$(grep -xiE 'p?mpi_.*' <<<"$exported")" ]; then
    ok shim/elf/functions_of_mpi
else
    not_ok shim/elf/functions_of_mpi "$(diff <(echo "$inside") <(echo "$exported" | grep -iE '^p?mpi_') | grep '^[<>]' | tr '\n' ' ')"
fi

# No malloc, no stdio, no exit, no locks: only these.
# Each is looked up at the start of every program, so a system call is made without libc.
allowed="PyGILState_Check __environ __errno_location bcmp __register_atfork clock_gettime
dl_iterate_phdr dlsym environ memcmp memcpy memset on_exit posix_fallocate pthread_self
strlen"
strange=$(nm -D --undefined-only --without-symbol-versions "$SHIM" | awk '{print $NF}' |
    grep -vxF "$(echo $allowed | tr ' ' '\n')" | tr '\n' ' ')
if [ -z "$strange" ]; then ok shim/elf/undefined; else not_ok shim/elf/undefined "$strange"; fi

tls=$(readelf -lW "$SHIM" | awk '$1 == "TLS" {print $6}')
if [ $((tls)) -le 64 ] && readelf -dW "$SHIM" | grep -q STATIC_TLS; then
    ok shim/elf/thread_local
else
    not_ok shim/elf/thread_local "$tls bytes, or not initial-exec"
fi

if readelf -dW "$SHIM" | grep -q BIND_NOW &&
    [ "$(readelf -lW "$SHIM" | grep -c LOAD)" -le 2 ]; then
    ok shim/elf/layout
else
    not_ok shim/elf/layout "lazy binding or more than two mappings"
fi
# Each pointer that the loader relocates costs every start of a program; each page, a fault.
relocated=$(readelf -rW "$SHIM" | grep -c '_RELATIVE')
if [ "$relocated" -le 16 ]; then
    ok shim/elf/relocations
else
    not_ok shim/elf/relocations "$relocated pointers"
fi
pages=$(readelf -sW "$SHIM" | awk '
    $8 ~ /^(_DYNAMIC|_GLOBAL_OFFSET_TABLE_|handler_registered|files|own|fsp_real_functions|fsp_state|adds_seen)$/ {
        print substr($2, 1, length($2) - 3) }' | sort -u | grep -c .)
if [ "$pages" = 1 ] || ! readelf -SW "$SHIM" | grep -q '\.symtab'; then
    ok shim/elf/one_page
else
    not_ok shim/elf/one_page "what every start stores into lies on $pages pages"
fi
if readelf -lW "$SHIM" | grep -q 'GNU_STACK.*RWE'; then
    not_ok shim/elf/stack "executable"
else
    ok shim/elf/stack
fi
exit $FAILED
