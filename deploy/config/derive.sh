#!/bin/sh
# Prints the shipped pitwire.toml with the addresses and the key file of the container stack; `make docs` keeps
# deploy/config/pitwire.toml equal to it.
set -eu
cd "$(dirname "$0")/../.."
echo "# Made from pitwire.toml by deploy/config/derive.sh; change that file, then run \`make docs\`."
sed -e 's#^\(rest = "http\|ws = "ws\|ws_api = "ws\)://[^:/]*:[0-9]*#\1://venue-sim:8480#' \
    -e 's#^key_file = .*#key_file = "/secrets/venue-key.json"#' pitwire.toml
