-- A login trigger that turns away everybody but the accounts in a table: none of a drill's own.
-- source: neondatabase/neon#11794
-- database: c02
-- servers: 17
-- expect: valid
create database c02;
\c c02
create table allowed(who name primary key); insert into allowed values ('postgres');
create function gate() returns event_trigger language plpgsql as $$ begin if not exists (select from public.allowed where who = session_user) then raise exception 'not for you'; end if; end $$;
create event trigger gate on login execute function gate();
