-- What a trunk admits belongs to one tenant: a claim that meets another tenant's is found here, across tenants, and nothing is told
-- but which of the asker's own fields it is.

-- When the trunk last claimed something new: an old trunk that is changed does not pass its age on. Null: since it was created.
alter table earshot.trunks add column claimed_at timestamptz;

grant select on earshot.trunks to earshot_lookup;
create policy lookup on earshot.trunks for select to earshot_lookup using (true);

-- Null for what is no address: the gateway leaves it out, too.
create function earshot.as_network(value text) returns inet
  language plpgsql immutable set search_path = pg_catalog, pg_temp
  as $$
  begin
    return btrim(value)::inet;
  exception when others then
    return null;
  end
  $$;

create function earshot.claims_of(body jsonb) returns table (networks inet[], tls text[], users text[], hosts text[])
  language sql immutable set search_path = pg_catalog, pg_temp
  as $$
    select
      array(select n from (select earshot.as_network(v) as n from jsonb_array_elements_text(body -> 'sourceNetworks') v) x where n is not null),
      array(select lower(btrim(v)) from jsonb_array_elements_text(body -> 'tlsPeers') v),
      array(select lower(btrim(v)) from jsonb_array_elements_text(body -> 'requestUsers') v),
      array(select lower(btrim(v)) from jsonb_array_elements_text(body -> 'requestHosts') v)
  $$;

-- The field of `body` by which some session would be this trunk's and another tenant's trunk's as well; null = free.
-- A trunk admits by source (network or TLS peer) and by target (request user or host); what it does not name admits all. The trunk of
-- this machine only does not stand in the way of one that admits from anywhere. Disabled trunks keep what they claim.
create function earshot.taken_claim(body jsonb) returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    with sides as materialized (
      select own, c.*,
        cardinality(c.networks) + cardinality(c.tls) = 0 as from_anywhere,
        cardinality(c.users) + cardinality(c.hosts) = 0 as for_anything,
        cardinality(c.tls) = 0 and not exists (select from unnest(c.networks) n where not n <<= inet '127.0.0.0/8' and n <> inet '::1')
          as this_machine
      from (
        select true as own, body
        union all
        select false, t.body from earshot.trunks t where t.tenant_id is distinct from earshot.current_tenant()
      ) trunk, lateral earshot.claims_of(trunk.body) c
    ),
    pairs as (
      select mine.users && theirs.users as users, mine.hosts && theirs.hosts as hosts, mine.tls && theirs.tls as tls,
        exists (select from unnest(mine.networks) a, unnest(theirs.networks) b where a && b) as networks,
        case
          when mine.from_anywhere then theirs.from_anywhere or not theirs.this_machine
          else theirs.from_anywhere and not mine.this_machine
        end as anywhere,
        mine.for_anything or theirs.for_anything
          or (cardinality(mine.users) > 0 and cardinality(theirs.hosts) > 0)
          or (cardinality(mine.hosts) > 0 and cardinality(theirs.users) > 0) as anything
      from sides mine, sides theirs
      where mine.own and not theirs.own
        and not (mine.from_anywhere and mine.for_anything) and not (theirs.from_anywhere and theirs.for_anything)
    )
    select case when tls then 'tlsPeers' when networks then 'sourceNetworks' when users then 'requestUsers' when hosts then 'requestHosts'
      else 'sourceNetworks' end
    from pairs
    where (tls or networks or anywhere) and (users or hosts or anything)
    limit 1
  $$;

grant create on schema earshot to earshot_lookup;
alter function earshot.taken_claim(jsonb) owner to earshot_lookup;
revoke create on schema earshot from earshot_lookup;
revoke all on function earshot.taken_claim(jsonb), earshot.claims_of(jsonb), earshot.as_network(text) from public;
grant execute on function earshot.taken_claim(jsonb) to earshot_app;
grant execute on function earshot.claims_of(jsonb), earshot.as_network(text) to earshot_lookup;
