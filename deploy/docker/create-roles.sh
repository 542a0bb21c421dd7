#!/bin/sh
# Runs once, when PostgreSQL's volume is new. Earshot signs in as "earshot", which row-level security binds; at its start it also signs in as
# "earshot_owner", which owns the tables and may hand out the two roles that their policies name, and nothing else.
set -eu
psql -v ON_ERROR_STOP=1 -v owner="$EARSHOT_OWNER_PASSWORD" -v application="$EARSHOT_PASSWORD" -U "$POSTGRES_USER" -d postgres <<'SQL'
CREATE ROLE earshot_app NOLOGIN;
CREATE ROLE earshot_lookup NOLOGIN;
CREATE ROLE earshot_owner LOGIN PASSWORD :'owner';
CREATE ROLE earshot LOGIN PASSWORD :'application';
GRANT earshot_app, earshot_lookup TO earshot_owner WITH ADMIN OPTION;
GRANT earshot_app TO earshot;
CREATE DATABASE earshot OWNER earshot_owner;
SQL
