#!/bin/bash
# A streaming replica: copies the primary when its own folder is empty, then follows it. Read-only until promoted.
set -euo pipefail

folder=$PGDATA
if [ ! -s "$folder/PG_VERSION" ]; then
    rm -rf "${folder:?}"/*
    mkdir -p "$folder"
    # -R writes how to follow; -C makes the slot that keeps the primary's log until we have read it. A copy that was
    # cut off has left the slot behind: then it is used.
    export PGPASSWORD=$REPLICATION_PASSWORD
    options=(--host "$PRIMARY_HOST" --port "${PRIMARY_PORT:-5432}" --username replicator --pgdata "$folder"
        --wal-method stream --checkpoint fast --write-recovery-conf --slot replica1)
    pg_basebackup "${options[@]}" --create-slot ||
        { rm -rf "${folder:?}"/*; pg_basebackup "${options[@]}"; }
    unset PGPASSWORD
fi
chmod 0700 "$folder"
if [ "$(id -u)" = 0 ]; then
    chown -R postgres:postgres "$folder"
    exec gosu postgres "$@"
fi
exec "$@"
