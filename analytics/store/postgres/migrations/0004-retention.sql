-- How long a tenant's calls are kept, in days from their start; 0 = for ever.
alter table earshot.tenants add column retention_days integer not null default 0 check (retention_days between 0 and 3650);
