#!/bin/bash
# The documentation says what the commands do: options, variables, rules, version.
# BUILD: folder with forksight. Prints "ok NAME", "not ok NAME: why" or "skip NAME: why".
set -u
cd "$(dirname "$0")/../.." || exit
forksight=${BUILD:-build}/forksight
failed=0

verdict() { # name, why not ("": fine)
    if [ -z "$2" ]; then
        echo "ok docs/$1"
    else
        echo "not ok docs/$1: $(printf %s "$2" | tr '\n' ' ')"
        failed=1
    fi
}

if ! command -v mandoc >/dev/null; then
    echo "skip docs/man pages: mandoc is not installed"
    exit 0
fi

rendered() { mandoc -T ascii -O width=200 "$1" | sed -e 's/.\x08//g'; }
# Every command has --help, whether its own list says so or not.
long_options() { grep -oE -- '(^|[^a-zA-Z0-9-])--[a-z][a-z-]+' | sed -e 's/^[^-]*//' -e /--help/d; }
differ() { diff <("$1" | sort -u) <("$2" | sort -u) | sed -n -e 's/^</only the help:/p' -e 's/^>/only the page:/p'; }

verdict "mandoc finds nothing" "$(mandoc -T lint -W warning tracer/man/*.1 2>&1)"

for command in run audit report check explain; do
    page=tracer/man/forksight-$command.1
    helped() { "$forksight" "$command" --help 2>&1 | long_options; }
    written() { rendered "$page" | sed -n '/^DESCRIPTION/,/^[E-Z][A-Z ]*$/p' | long_options; }
    verdict "options of $command" "$(differ helped written)"
done
wide() { # what of the screens does not fit a terminal
    for command in '' run audit report check explain; do
        "$forksight" $command --help | awk -v c="$command" 'length($0) > 80 { print c ": " $0 }'
    done
    for rule in $("$forksight" explain | grep -oE '^[A-Z]{3}-[0-9]{2}'); do
        "$forksight" explain "$rule" | awk -v c="$rule" '!/https:/ && length($0) > 80 { print c ": " $0 }'
    done
}
verdict "help and explanations fit 80 columns" "$(LC_ALL=C wide)"
helped() { "$forksight" --help 2>&1 | long_options; }
written() { rendered tracer/man/forksight.1 | sed -n '/^DESCRIPTION/,/^[E-Z][A-Z ]*$/p' | long_options; }
verdict "options of forksight" "$(differ helped written)"

# What the shim gets from `run` is between the two, not for users.
read_variables() {
    grep -rhoE '"FORKSIGHT_[A-Z_]+"' --include='*.[ch]' tracer report preload | tr -d '"' |
        grep -vxE 'FORKSIGHT_(SEGMENTS|SHIM|H)'
}
documented_variables() { rendered tracer/man/forksight.1 | grep -oE 'FORKSIGHT_[A-Z_]+'; }
readme_variables() { sed -n '/^## Environment/,/^## /p' README.md | grep -oE 'FORKSIGHT_[A-Z_]+'; }
verdict "variables in forksight(1)" "$(differ read_variables documented_variables | sed 's/help/source/')"
verdict "variables in the README" "$(differ read_variables readme_variables | sed -e 's/help/source/' -e 's/page/README/')"

rules() { "$forksight" explain 2>/dev/null | grep -oE '\b[A-Z]{3}-[0-9]{2}\b'; }
readme_rules() { sed -n '/^## What it looks for/,/^## /p' README.md | grep -oE '\b[A-Z]{3}-[0-9]{2}\b'; }
verdict "rules in the README" "$(differ rules readme_rules | sed -e 's/help/command/' -e 's/page/README/')"

version=$("$forksight" --version 2>/dev/null | awk '{ print $2 }')
verdict "version in the change log" \
    "$(grep -qE "^## $version( |\$)" CHANGELOG.md || echo "no entry for '$version'")"

missing=$(grep -oE '`make [a-z-]+`' README.md | tr -d '`' | sort -u | while read -r _ target; do
    grep -qE "^([a-z -]* )?$target( [a-z -]*)?:" Makefile || echo "make $target"
done)
verdict "targets in the README" "$missing"
exit $failed
