-- An event trigger that gives a trigger to each new table, as replication and audit tools do: loading must not
-- make them twice, nor write the audit anew. PostgreSQL 15 has no setting that keeps event triggers still.
-- source: 2ndQuadrant/pglogical#104
-- database: c55
-- servers: 15
-- expect: valid
create database c55;
\c c55
create schema audit;
create table audit.log(at timestamptz default now(), tab text, what text);
create function audit.write() returns trigger language plpgsql as $$
  begin insert into audit.log(tab, what) values (tg_table_name, tg_op); return null; end $$;
create function audit.attach() returns event_trigger language plpgsql as $$
  declare made record;
  begin
    for made in select * from pg_event_trigger_ddl_commands() where object_type = 'table'
      and not (select relispartition from pg_class where oid = objid) loop
      execute format('create trigger audited after insert or delete on %s for each row execute function audit.write()',
                     made.objid::regclass);
    end loop;
  end $$;
create event trigger attach on ddl_command_end when tag in ('CREATE TABLE', 'SELECT INTO') execute function audit.attach();
create table t(a int primary key); insert into t select generate_series(1, 20);
create table p(a int, b int) partition by list (b);
create table p1 partition of p for values in (1);
insert into p values (1, 1), (2, 1);
