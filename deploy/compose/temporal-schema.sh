#!/bin/sh
# Temporal's two databases, made or brought up to date. Runs at every start, before the server.
set -eu

for name in temporal:temporal temporal_visibility:visibility; do
    SQL_DATABASE="${name%%:*}"
    export SQL_DATABASE
    # `create` and `setup-schema` fail on a database that is there already; `update-schema` then tells whether it is sound.
    temporal-sql-tool create || echo "$SQL_DATABASE exists"
    temporal-sql-tool setup-schema -v 0.0 || echo "$SQL_DATABASE has a schema"
    temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/${name##*:}/versioned"
done
