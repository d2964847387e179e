# Runs a PostgreSQL program that reads no input, and ends it when the caller is gone: the caller keeps standard
# input open. Killing the client of docker exec would end nothing in the container.
# Leaves no child behind: an orphan becomes a child of process 1, the server, which restarts if one of its
# children dies of a signal.
trap '' PIPE
unset PGHOSTADDR PGSERVICE PGSERVICEFILE PGSYSCONFDIR PGCLIENTENCODING PGTZ PGDATESTYLE PGGEQO PGTARGETSESSIONATTRS
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(
    read -r _
    kill "$program"
    kill -CONT "$program" # a stopped process handles SIGTERM only after this
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
