-- Event triggers that react to every command, and a login trigger that writes a row of audit.
-- source: planetscale/pgcopydb#14
-- source: neondatabase/neon#11794
-- database: c01
-- servers: 17 18
-- expect: valid
create database c01;
\c c01
create table audit(at timestamptz default now(), who text, what text);
create function on_ddl() returns event_trigger language plpgsql as $$ begin insert into public.audit(who,what) values (session_user, tg_tag); end $$;
create function on_login() returns event_trigger language plpgsql as $$ begin insert into public.audit(who,what) values (session_user, 'login'); end $$;
create table t(a int primary key, b text);
insert into t select g, 'x'||g from generate_series(1,100) g;
create event trigger e_ddl on ddl_command_end execute function on_ddl();
create event trigger e_login on login execute function on_login();
