# Prints the facts of a container's PostgreSQL, each ended by a NUL. It reads no password.
value() {
    eval "plain=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$plain" ]; then printf '%s' "$plain"; elif [ -n "$file" ]; then cat "$file"; fi
}
user="$(value POSTGRES_USER)"
user="${user:-postgres}"
database="$(value POSTGRES_DB)"
carrier=
for name in bash perl; do
    if [ -z "$carrier" ] && command -v "$name" >/dev/null 2>&1; then carrier="$name"; fi
done
dump="$(pg_dump --version 2>/dev/null)"
zstd="$(PGHOST=/nonexistent PGDATABASE=none pg_dump -Fc -Z zstd:1 -f /dev/null 2>&1)"
printf '%s\0' "$user" "${database:-$user}" "${PGPORT:-5432}" "$carrier" "$dump" "$zstd"
