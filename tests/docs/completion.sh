#!/bin/bash
# Completion in bash: what it offers is what the commands have, and it is installed.
# BUILD: folder with forksight. Prints "ok NAME", "not ok NAME: why" or "skip NAME: why".
set -u
cd "$(dirname "$0")/../.." || exit
forksight=$(realpath "${BUILD:-build}/forksight")
failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

verdict() { # name, got, expected
    if [ "$2" = "$3" ]; then
        echo "ok docs/completion $1"
    else
        echo "not ok docs/completion $1: got '$(echo $2)', expected '$(echo $3)'"
        failed=1
    fi
}

make -s O="$(dirname "$forksight")" install DESTDIR="$folder" PREFIX=/usr >"$folder/log" 2>&1
installed=$folder/usr/share/bash-completion/completions/forksight
verdict "is installed" "$(cmp tracer/forksight.bash "$installed" 2>&1)" ""
# shellcheck source=tracer/forksight.bash
source "$installed"
verdict "is registered" "$(complete -p forksight 2>&1)" "complete -o filenames -F _forksight forksight"

offered() { # the words of a command line, the last one unfinished
    COMP_WORDS=(forksight "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _forksight "$forksight" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}" | sort
}
commands=$("$forksight" --help | awk '/^  [a-z]/ { print $1 }')
# shellcheck disable=SC2086 # a list of words
verdict "of commands" "$(for c in $commands; do offered "${c:0:3}" | grep -x "$c"; done)" "$commands"
for command in $commands; do
    helped=$("$forksight" "$command" --help | grep -oE -- '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--.*' | sort)
    verdict "of the options of $command" "$(offered "$command" - | tr -d =)" "$helped"
done
verdict "of levels" "$(offered check --fail-on = w)" warning
verdict "of levels as a word" "$(offered check --fail-on n)" "$(printf 'never\nnote')"
verdict "of formats" "$(offered report --format '=' js)" json
verdict "of rules" "$(offered explain aff-01)" AFF-01
verdict "of all rules" "$(offered explain '')" "$("$forksight" explain | grep -oE '^[A-Z]{3}-[0-9]{2}' | sort)"
verdict "of a limit" "$(offered check --max PRC-03)" PRC-03=
touch "$folder/one.json"
mkdir "$folder/one"
verdict "of users" "$(offered audit --user roo)" root
verdict "of processes" "$(offered audit "$$")" "$$"
verdict "of files" "$(offered check --baseline "$folder/one.j")" "$folder/one.json"
verdict "of an output file" "$(offered report -o "$folder/one.j")" "$folder/one.json"
verdict "of job directories" "$(offered report "$folder/on")" "$folder/one"
verdict "of the program" "$(offered run -q -- tasks)" "$(compgen -c tasks | sort)"
verdict "of the program's arguments" "$(offered run -- taskset --fail-on "$folder/one.j")" "$folder/one.json"
exit $failed
