ALTER TABLE settings ADD COLUMN noted text;
CREATE FUNCTION made_later() RETURNS integer LANGUAGE sql AS 'SELECT 2';
