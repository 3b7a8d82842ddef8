# Completion of forksight for bash. What is offered is what `forksight --help` and
# `forksight COMMAND --help` say, so it cannot fall behind.

_forksight_options() { # command: its long options, with = if they take a value
    "$1" ${2:+"$2"} --help 2>/dev/null | sed -nE \
        -e 's/^ {2,6}(-[a-zA-Z], )?(--[a-z][a-z-]*) [A-Z].*/\2=/p' \
        -e 's/^ {2,6}(-[a-zA-Z], )?(--[a-z][a-z-]*)( .*)?$/\2/p'
}

_forksight_commands() {
    "$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) +[[A-Z].*/\1/p'
}

_forksight_rules() {
    "$1" explain 2>/dev/null | sed -nE 's/^([A-Z]{3}-[0-9]{2}) .*/\1/p'
}

# After = or behind an option that takes a value: what the value may be.
_forksight_value() { # forksight, option, the value so far
    case $2 in
    --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$3") ;;
    --fail-on) mapfile -t COMPREPLY < <(compgen -W 'error warning note never' -- "$3") ;;
    --format) mapfile -t COMPREPLY < <(compgen -W 'text json text,json' -- "$3") ;;
    --max) mapfile -t COMPREPLY < <(compgen -S = -W "$(_forksight_rules "$1")" -- "$3") ;;
    --threshold) mapfile -t COMPREPLY < <(compgen -S . -W "$(_forksight_rules "$1")" -- "$3") ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$3") ;;
    --hang-after | --job | --name | --node | --period | --top | --variant | --window) ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$3") ;;
    esac
    case $2 in --max | --threshold) compopt -o nospace 2>/dev/null ;; esac
}

_forksight() {
    local forksight=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} i
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_forksight_commands "$forksight") --help --version" -- "$word")
        [[ $word == -* ]] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- "$word")
        return
    fi
    # The words behind -- are the program's own.
    for ((i = 2; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = -- ] || continue
        if [ "$before" = -- ]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        return
    done
    # --option=value comes as three words.
    if [ "$word" = = ]; then
        _forksight_value "$forksight" "$before" ''
    elif [ "$before" = = ]; then
        _forksight_value "$forksight" "${COMP_WORDS[COMP_CWORD - 2]}" "$word"
    elif [ "$before" = -o ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $before == --* ]] && _forksight_options "$forksight" "$command" | grep -qxF -- "$before="; then
        _forksight_value "$forksight" "$before" "$word"
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_forksight_options "$forksight" "$command")" -- "$word")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
    elif [ "$command" = audit ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(ps -u "$(id -u)" -o pid= 2>/dev/null)" -- "$word")
    elif [ "$command" = explain ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_forksight_rules "$forksight")" -- "${word^^}")
    else
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    fi
}

complete -o filenames -F _forksight forksight
