# What the scripts of this folder share; sourced, not run.
# shellcheck shell=bash
set -eu -o pipefail
umask 077

# The program; QUORUMKEEP names another one than the first on the PATH.
PROGRAM=${QUORUMKEEP:-quorumkeep}

# usage: the comment at the top of the script, then exit status 2.
usage() {
    sed -n '2,/^[^#]/ { s/^# \{0,1\}//p; }' "$0" >&2
    exit 2
}

refuse() {
    echo "error: $*" >&2
    exit "${STATUS:-3}"
}

# secret_file FILE WHAT: a secret is given as a file. What looks like the secret itself is not repeated in the message.
secret_file() {
    case $1 in
        *[!0-9a-fA-FxX]*) ;;
        ????????????????????????????????*)
            STATUS=2 refuse "the $2 looks like the secret itself: the command line is visible to every process; give a file, and treat that secret as known"
            ;;
    esac
    [ -f "$1" ] && return 0
    case $1 in
        *[[:space:]]*) STATUS=2 refuse "the $2 has spaces and does not exist: give a file; if these are words of a share, treat that share as known" ;;
    esac
    refuse "there is no $2 $1"
}

command -v "$PROGRAM" >/dev/null || refuse "the program $PROGRAM is not on the PATH; QUORUMKEEP names it"
