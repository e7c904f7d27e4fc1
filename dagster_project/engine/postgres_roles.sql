-- Roles of a PostgreSQL database that serves the publications of one home.
--
-- Run it once in that database, as its owner with the right to make roles (or as superuser):
--     crm-value postgres-roles | psql -d crm
-- then give both roles a password (\password crm_publisher, \password bi_reader). Run again, it
-- changes nothing. The database should serve nothing else: what everybody may do in it is taken
-- back.
--
-- crm_publisher  loads publications and switches the views of schema crm. It is the one that the
--                variable CRM_POSTGRES_URL names. It owns what it makes and sees nothing else.
-- bi_reader      reads the views of schema crm. Name it in your BI tool, or make further roles
--                like it: settings of a role do not pass on to its members.

do $$
declare
    this text := current_database();
begin
    if not exists (select from pg_roles where rolname = 'crm_publisher') then
        create role crm_publisher login;
    end if;
    if not exists (select from pg_roles where rolname = 'bi_reader') then
        create role bi_reader login;
    end if;
    execute format('revoke all on database %I from public', this);
    -- Each publication is loaded into a schema of its own.
    execute format('grant connect, create on database %I to crm_publisher', this);
    execute format('grant connect on database %I to bi_reader', this);
    execute format('alter role bi_reader in database %I '
                   'set default_transaction_read_only = on', this);
    execute format('alter role bi_reader in database %I set statement_timeout = ''5min''', this);
    -- A reader who leaves a transaction open holds the next publication back.
    execute format('alter role bi_reader in database %I '
                   'set idle_in_transaction_session_timeout = ''1min''', this);
end
$$;

-- Before PostgreSQL 15 everybody may make tables there.
revoke all on schema public from public;

create schema if not exists crm authorization crm_publisher;
grant usage on schema crm to bi_reader;
grant select on all tables in schema crm to bi_reader;
-- Views that a later version adds can be read at once.
alter default privileges for role crm_publisher in schema crm grant select on tables to bi_reader;

-- Lets a publisher that is held back say since when. May be left out: it then names process and
-- user alone. It shows what other sessions ask; crm-value reads only their ages.
grant pg_read_all_stats to crm_publisher;
