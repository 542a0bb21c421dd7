-- What was done to one call lately is looked for at each request for its recording.
create index audit_subject on earshot.audit (tenant_id, subject, at);
