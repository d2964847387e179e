# Runs a program of PostgreSQL's that reads nothing, and ends it when whoever asked for it is gone: standard
# input is held open for as long as they are there. Killing docker exec's client ends nothing in here.
# Leaves no child behind: orphans become the server's, which is process 1, and it takes one that died of a
# signal for a crash of its own and starts over.
trap '' PIPE
unset PGHOSTADDR PGSERVICE PGSERVICEFILE PGSYSCONFDIR PGCLIENTENCODING PGTZ PGDATESTYLE PGGEQO PGTARGETSESSIONATTRS
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(
    read -r _
    kill "$program"
    kill -CONT "$program" # one that was stopped hears nothing else
) <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$program"
code=$?
{
    kill "$watch"
    wait "$watch"
} 2>/dev/null
exit "$code"
