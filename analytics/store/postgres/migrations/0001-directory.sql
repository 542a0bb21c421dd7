-- Every tenant table: tenant_id first, row-level security forced (it binds the owner too). The application role sees the rows of
-- app.tenant_id only; earshot_lookup, which owns nothing but the functions below, may find a person before the tenant is known.

do $$
begin
  if not exists (select from pg_roles where rolname = 'earshot_app') then
    create role earshot_app nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'earshot_lookup') then
    create role earshot_lookup nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
  execute format('grant earshot_app to %I', current_user);
  execute format('grant earshot_lookup to %I', current_user);
end
$$;

create function earshot.current_tenant() returns text language sql stable
  as $$ select nullif(current_setting('app.tenant_id', true), '') $$;

create table earshot.tenants (
  id text primary key,
  name text not null,
  timezone text not null default 'UTC',
  language text not null default '',
  vocabulary text[] not null default '{}',
  suspended boolean not null default false,
  created_at timestamptz not null default now()
);

create table earshot.users (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id text not null,
  email text not null,
  name text not null,
  role text not null check (role in ('supervisor', 'tenant_admin', 'super_admin')),
  password_hash text not null,
  must_change_password boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
-- One person, one tenant: the e-mail alone says where a login belongs.
create unique index users_email on earshot.users (lower(email));

create table earshot.sessions (
  tenant_id text not null,
  token_hash text primary key,
  user_id text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  foreign key (tenant_id, user_id) references earshot.users (tenant_id, id) on delete cascade
);
create index sessions_user on earshot.sessions (tenant_id, user_id);

create table earshot.api_keys (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id text not null,
  name text not null,
  prefix text not null,
  key_hash text not null unique,
  from_environment boolean not null default false,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  primary key (tenant_id, id)
);

create table earshot.trunks (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id text not null,
  name text not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table earshot.extensions (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id text not null,
  number text not null,
  agent_name text not null,
  agent_id text not null default '',
  team text not null default '',
  primary key (tenant_id, id),
  constraint extension_number unique (tenant_id, number)
);

create table earshot.phrase_rules (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id text not null,
  name text not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table earshot.audit (
  tenant_id text not null references earshot.tenants (id) on delete cascade,
  id bigint generated always as identity,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  subject text not null,
  details jsonb not null default '{}',
  primary key (tenant_id, id)
);

grant usage on schema earshot to earshot_app, earshot_lookup;

do $$
declare
  t text;
begin
  foreach t in array array['tenants', 'users', 'sessions', 'api_keys', 'trunks', 'extensions', 'phrase_rules', 'audit'] loop
    execute format('alter table earshot.%I enable row level security', t);
    execute format('alter table earshot.%I force row level security', t);
    execute format(
      'create policy tenant on earshot.%I to earshot_app using (%2$I = earshot.current_tenant()) with check (%2$I = earshot.current_tenant())',
      t, case t when 'tenants' then 'id' else 'tenant_id' end);
    -- What was done stays written: the audit log is append-only for the application.
    if t = 'audit' then
      execute format('grant select, insert on earshot.%I to earshot_app', t);
    else
      execute format('grant select, insert, update, delete on earshot.%I to earshot_app', t);
    end if;
  end loop;
end
$$;

-- The look-up path.
grant select on earshot.tenants, earshot.users, earshot.sessions, earshot.api_keys to earshot_lookup;
grant delete on earshot.sessions to earshot_lookup;
grant update (last_used_at) on earshot.api_keys to earshot_lookup;
create policy lookup on earshot.tenants for select to earshot_lookup using (true);
create policy lookup on earshot.users for select to earshot_lookup using (true);
create policy lookup on earshot.sessions for select to earshot_lookup using (true);
create policy lookup_end on earshot.sessions for delete to earshot_lookup using (true);
create policy lookup on earshot.api_keys for select to earshot_lookup using (true);
create policy lookup_used on earshot.api_keys for update to earshot_lookup using (true) with check (true);

create function earshot.all_tenants() returns setof earshot.tenants
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select * from earshot.tenants order by created_at, id $$;

create function earshot.find_user(wanted text) returns setof earshot.users
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select * from earshot.users where lower(email) = lower(wanted) $$;

create function earshot.find_session(wanted text, at timestamptz) returns table (person jsonb, tenant jsonb, expires_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select to_jsonb(u), to_jsonb(t), s.expires_at
    from earshot.sessions s
    join earshot.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
    join earshot.tenants t on t.id = s.tenant_id
    where s.token_hash = wanted and s.expires_at > at
  $$;

create function earshot.end_session(wanted text) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from earshot.sessions where token_hash = wanted $$;

-- The time of use is kept to the minute, so that a busy key does not write a row per request.
create function earshot.find_api_key(wanted text) returns table (tenant jsonb, key_id text, key_name text)
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update earshot.api_keys set last_used_at = now()
      where key_hash = wanted and (last_used_at is null or last_used_at < now() - interval '1 minute');
    select to_jsonb(t), k.id, k.name
    from earshot.api_keys k join earshot.tenants t on t.id = k.tenant_id
    where k.key_hash = wanted
  $$;

grant create on schema earshot to earshot_lookup;
do $$
declare
  f text;
begin
  foreach f in array array['all_tenants()', 'find_user(text)', 'find_session(text, timestamptz)', 'end_session(text)', 'find_api_key(text)'] loop
    execute 'alter function earshot.' || f || ' owner to earshot_lookup';
    execute 'revoke all on function earshot.' || f || ' from public';
    execute 'grant execute on function earshot.' || f || ' to earshot_app';
  end loop;
end
$$;
revoke create on schema earshot from earshot_lookup;
