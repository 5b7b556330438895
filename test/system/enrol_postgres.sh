#!/bin/sh
# enrol_postgres.sh COMMAND... - runs a command with a private PostgreSQL: RF_TEST_DB is its address.
# The server listens on a Unix socket in a directory of its own only, runs as an unprivileged user when we are root, and is stopped by
# its process ID at the end, whatever happens. Needs Debian's package postgresql.
set -eu

bin=$(pg_config --bindir 2>/dev/null || true)
if [ ! -x "$bin/initdb" ]; then
    for bin in /usr/lib/postgresql/*/bin; do :; done
fi
if [ ! -x "$bin/initdb" ]; then
    echo "enrol_postgres.sh: PostgreSQL's initdb is not there; install the package postgresql" >&2
    exit 1
fi

dir=$(mktemp -d /tmp/enrol_postgres.XXXXXX)
pid=
ready=
stop() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$pid" ]; then
        kill -INT "$pid" 2>/dev/null || true # fast shutdown
        wait "$pid" 2>/dev/null || true
    fi
    if [ -z "$ready" ] && [ -s "$dir/log" ]; then
        echo "--- PostgreSQL's log:" >&2
        tail -20 "$dir/log" >&2
    fi
    rm -rf "$dir"
    exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

as=
user=$(id -un)
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$dir"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --reset-env"
fi
(cd "$dir" && $as "$bin/initdb" -D "$dir/data" -U ringfolk --auth=trust --no-sync --locale=C --encoding=UTF8 >"$dir/log" 2>&1)
# exec: the process ID is the server's own. -F: what a crash of the machine would lose is not tested here.
(cd "$dir" && exec $as "$bin/postgres" -D "$dir/data" -k "$dir" -h '' -F -c shared_buffers=16MB -c max_connections=20 \
    >>"$dir/log" 2>&1) &
pid=$!
tries=0
until "$bin/pg_isready" -q -h "$dir" -d postgres -U ringfolk; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$pid" 2>/dev/null; then
        echo "enrol_postgres.sh: PostgreSQL does not start" >&2
        exit 1
    fi
    sleep 0.1
done
ready=yes

RF_TEST_DB="postgresql://ringfolk@/postgres?host=$dir"
export RF_TEST_DB
"$@"
