-- Two views that read each other, and one that reads itself: the first are dumped and loaded, the last is not.
-- source: supabase/supabase#37560
-- database: c54
-- servers: 16
-- expect: 4 cannot be restored
-- says: itself
create database c54;
\c c54
create table t(a int); insert into t values (1);
create view v1 as select a from t;
create view v2 as select a from v1;
create or replace view v1 as select a from v2;
create view itself as select a from t;
create or replace view itself as select a from itself;
