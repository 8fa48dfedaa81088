#!/bin/sh
# Makes the secrets of one deployment, once: each service gets its own and sees no other's. Run again, it keeps what is
# there. $1 is the folder that holds one folder per service.
set -eu
umask 077
root="$1"

# keep FILE COMMAND...: the output of the command in FILE, unless FILE is there already; whole or not at all.
keep() {
    file="$1"
    shift
    mkdir -p "$(dirname "$file")"
    [ -s "$file" ] || { "$@" >"$file.new" && mv "$file.new" "$file"; }
}
token() { python -c 'from pitwire.common.clock import random_token; print(random_token(24), end="")'; }
pgpass() { printf '*:*:pitwire:pitwire:%s\n' "$(cat "$root/database/password")"; }
venue_key() { printf '{"api_key": "%s", "api_secret": "%s"}\n' "$(token)" "$(token)"; }
venue_keys() {
    python -c 'import json, sys; print(json.dumps([json.load(open(sys.argv[1])) | {"account": "main"}]))' \
        "$root/execution/venue-key.json"
}

# The bus: one identity per process. The server's file holds public halves only and follows the configuration.
mkdir -p "$root/nats"
python -m pitwire.cli topology server-config --seeds "$root/provision" --file "$root/nats/nats.json" \
    --host 0.0.0.0 --port 4222 --store /data/jetstream
for name in market-data strategy risk-gate execution persistence operator auditor backtest researcher; do
    keep "$root/$name/seed.nk" cat "$root/provision/$name.nk"
done

# The database: one password, for those who use it.
keep "$root/database/password" token
for name in persistence operator provision; do
    keep "$root/$name/pgpass" pgpass
done

# The simulated venue: one key, which execution signs with.
keep "$root/execution/venue-key.json" venue_key
keep "$root/venue-sim/keys.json" venue_keys
