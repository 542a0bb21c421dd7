#!/bin/sh
# Runs once, when PostgreSQL's volume is new: the role that Earshot signs in as. It owns its database and bypasses no row-level security.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$EARSHOT_PASSWORD" -U "$POSTGRES_USER" <<'SQL'
CREATE ROLE earshot LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'password';
CREATE DATABASE earshot OWNER earshot;
SQL
