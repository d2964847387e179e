-- Everything that does not grow with the ledger. Fixed keys and fixed times: the same in every copy.

-- Django -----------------------------------------------------------------------------------------

INSERT INTO django_migrations (id, app, name, applied)
SELECT position, app, name, timestamptz '2024-04-02 09:15:00+00' + position * interval '83 milliseconds'
FROM (VALUES
    (1, 'contenttypes', '0001_initial'),
    (2, 'auth', '0001_initial'),
    (3, 'admin', '0001_initial'),
    (4, 'admin', '0002_logentry_remove_auto_add'),
    (5, 'admin', '0003_logentry_add_action_flag_choices'),
    (6, 'contenttypes', '0002_remove_content_type_name'),
    (7, 'auth', '0002_alter_permission_name_max_length'),
    (8, 'auth', '0003_alter_user_email_max_length'),
    (9, 'auth', '0004_alter_user_username_opts'),
    (10, 'auth', '0005_alter_user_last_login_null'),
    (11, 'auth', '0006_require_contenttypes_0002'),
    (12, 'auth', '0007_alter_validators_add_error_messages'),
    (13, 'auth', '0008_alter_user_username_max_length'),
    (14, 'auth', '0009_alter_user_last_name_max_length'),
    (15, 'auth', '0010_alter_group_name_max_length'),
    (16, 'auth', '0011_update_proxy_permissions'),
    (17, 'auth', '0012_alter_user_first_name_max_length'),
    (18, 'sessions', '0001_initial'),
    (19, 'profiles', '0001_initial'),
    (20, 'profiles', '0002_statementfile'),
    (21, 'profiles', '0003_processingtask'),
    (22, 'profiles', '0004_transactionclassification'),
    (23, 'profiles', '0005_payee_match_key'),
    (24, 'profiles', '0006_journal'),
    (25, 'profiles', '0007_partition_auditlog'),
    (26, 'profiles', '0008_office_notes')
) AS migration (position, app, name);

INSERT INTO django_content_type (id, app_label, model)
SELECT position, split_part(name, '.', 1), split_part(name, '.', 2)
FROM unnest(ARRAY[
    'admin.logentry', 'auth.permission', 'auth.group', 'auth.user', 'contenttypes.contenttype',
    'sessions.session', 'profiles.businessprofile', 'profiles.account', 'profiles.category',
    'profiles.payee', 'profiles.classificationrule', 'profiles.exchangerate', 'profiles.statementfile',
    'profiles.processingtask', 'profiles.transaction', 'profiles.transactionclassification',
    'profiles.document', 'profiles.journal', 'profiles.journalline', 'profiles.auditlog', 'profiles.note'
]) WITH ORDINALITY AS content_type (name, position);

INSERT INTO auth_permission (id, name, content_type_id, codename)
SELECT (content_type.id - 1) * 4 + verb.position, 'Can ' || verb.name || ' ' || content_type.model,
       content_type.id, verb.name || '_' || content_type.model
FROM django_content_type AS content_type
CROSS JOIN unnest(ARRAY['add', 'change', 'delete', 'view']) WITH ORDINALITY AS verb (name, position)
ORDER BY 1;

INSERT INTO auth_group (id, name) VALUES (1, 'Bookkeepers'), (2, 'Tax advisers'), (3, 'Lesende');

INSERT INTO auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email,
                       is_staff, is_active, date_joined)
VALUES
    (1, 'pbkdf2_sha256$870000$c2FtcGxlLXNhbHQ$bm90LWEtcmVhbC1oYXNoLWp1c3QtYS1zYW1wbGU=',
     '2025-04-21 18:02:11.123456+00', true, 'owner', 'Zoë', 'O''Connor', 'owner@example.com',
     true, true, '2024-04-02 09:20:00+00'),
    (2, 'pbkdf2_sha256$870000$c2FtcGxlLXNhbHQ$YW5vdGhlci1zYW1wbGUtdGhhdC1pcy1ubyBoYXNo',
     '2025-04-17 07:45:00+00', false, 'bookkeeper', 'Jürgen', 'Müller-Lüdenscheidt', 'books@example.com',
     true, true, '2024-05-06 08:00:00+00'),
    (3, '!unusable-password-of-the-import-account', NULL, false, 'importer', '', '', '',
     false, true, '2024-04-02 09:21:00+00'),
    (4, '!unusable', '2024-12-31 23:59:59.999999+00', false, 'Ehemalige', 'Ada', '', 'ada@example.com',
     false, false, '2024-06-01 00:00:00+00');

INSERT INTO auth_user_groups (id, user_id, group_id) VALUES (1, 1, 1), (2, 2, 1), (3, 4, 3);

INSERT INTO auth_group_permissions (id, group_id, permission_id)
SELECT row_number() OVER (ORDER BY grouping.id, permission.id), grouping.id, permission.id
FROM auth_group AS grouping
JOIN auth_permission AS permission ON grouping.id = 1 OR permission.codename LIKE 'view\_%'
ORDER BY 1;

INSERT INTO auth_user_user_permissions (id, user_id, permission_id) VALUES (1, 3, 57), (2, 3, 49);

INSERT INTO django_session (session_key, session_data, expire_date)
SELECT substr(md5('session ' || number), 1, 32),
       encode(convert_to(format('{"_auth_user_id": "%s", "page": %s}', 1 + number % 2, number), 'UTF8'), 'base64'),
       timestamptz '2025-05-05 00:00:00+00' + number * interval '7 hours'
FROM generate_series(1, 12) AS number;

INSERT INTO django_admin_log (id, action_time, object_id, object_repr, action_flag, change_message,
                              content_type_id, user_id)
SELECT number, timestamptz '2024-05-01 10:00:00+00' + number * interval '31 hours', number::text,
       'Payee object (' || number || ')', 1 + number % 3,
       CASE number % 3 WHEN 0 THEN '[{"added": {}}]' ELSE '[{"changed": {"fields": ["Name", "City"]}}]' END,
       10, 1 + number % 2
FROM generate_series(1, 60) AS number;


-- Profiles, accounts, categories, payees ----------------------------------------------------------

INSERT INTO profiles_businessprofile (id, owner_id, name, legal_form, currency, time_zone, opens_at,
                                      settings, created_at)
VALUES
    (1, 1, 'Brötchen & Söhne', 'GmbH', 'EUR', 'Europe/Berlin', '06:30',
     '{"vat": {"standard": 19, "reduced": 7}, "fiscal_year_start": "01-01", "quirks": ["\\N", "\t", "\u00e9"]}',
     '2024-04-02 09:30:00+00'),
    (2, 1, 'O''Connor Consulting "West"', 'sole trader', 'EUR', 'Europe/Dublin', '09:00:00.5',
     '{"vat": null, "home_office": {"square_metres": 14.50, "share": 0.1275}}', '2024-04-03 11:00:00+00'),
    (3, 2, 'Café Größenwahn 🍰', 'GbR', 'EUR', 'Europe/Vienna', '23:59:59.999999', '{}',
     '2024-06-30 22:00:00+00');

-- Account 1 of a profile is its bank, 2 revenue, 3 tax, 4 to 8 expenses: the ledger counts on it.
INSERT INTO profiles_account (id, profile_id, code, name, kind)
SELECT (profile.id - 1) * 8 + account.position, profile.id, account.code, account.name, account.kind
FROM profiles_businessprofile AS profile
CROSS JOIN (VALUES
    (1, '1200', 'Bank', 'bank'),
    (2, '8400', 'Sales', 'revenue'),
    (3, '1570', 'Input tax', 'tax'),
    (4, '4100', 'Wages', 'expense'),
    (5, '4200', 'Rooms', 'expense'),
    (6, '4500', 'Vehicles', 'expense'),
    (7, '4650', 'Entertainment', 'expense'),
    (8, '4900', 'Sundry', 'expense')
) AS account (position, code, name, kind)
ORDER BY 1;

INSERT INTO profiles_category (id, parent_id, name, kind, tax_worksheet) VALUES
    (1, NULL, 'Income', 'income', NULL),
    (2, NULL, 'Operations', 'expense', 'Schedule C'),
    (3, NULL, 'Office', 'expense', 'Schedule C'),
    (4, NULL, 'Travel', 'expense', 'Schedule C'),
    (5, NULL, 'Private', 'expense', ''),
    (6, 1, 'Sales at the counter', 'income', 'Part I'),
    (7, 1, 'Invoices paid', 'income', 'Part I'),
    (8, 1, 'Interest', 'income', NULL),
    (9, 2, 'Goods for resale', 'expense', 'Part II 38'),
    (10, 2, 'Rent', 'expense', 'Part II 20b'),
    (11, 2, 'Energy', 'expense', 'Part II 25'),
    (12, 2, 'Insurance', 'expense', 'Part II 15'),
    (13, 2, 'Wages', 'expense', 'Part II 26'),
    (14, 3, 'Software', 'expense', 'Part II 18'),
    (15, 3, 'Telephone & internet', 'expense', 'Part II 25'),
    (16, 3, 'Stationery', 'expense', 'Part II 18'),
    (17, 3, 'Bank charges', 'expense', 'Part II 17'),
    (18, 4, 'Railway', 'expense', 'Part II 24a'),
    (19, 4, 'Fuel', 'expense', 'Part II 9'),
    (20, 4, 'Hotels', 'expense', 'Part II 24a'),
    (21, 20, 'Breakfast, not deductible', 'expense', NULL),
    (22, 5, 'Groceries', 'expense', ''),
    (23, 5, 'Café & restaurant', 'expense', ''),
    (24, 5, 'Gesundheit', 'expense', '');

INSERT INTO profiles_payee (id, name, bank_name, city, category_id, aliases)
SELECT row_number() OVER (), payee.*
FROM (VALUES
    ('Tageskasse', 'KARTENABRECHNUNG TERMINAL 65112', 'BERLIN', 6, ARRAY['EC-Cash', 'Kasse']),
    ('Rewe', 'REWE SAGT DANKE', 'BERLIN', 22, ARRAY['REWE Markt']),
    ('Bäckerei-Großhandel Ährenwort', 'BAECKO MARKE ZENTRALE EG', 'HAMBURG', 9, ARRAY['Bäko', 'BÄKO']),
    ('Edeka', 'EDEKA NEUKAUF HUBER', 'MUENCHEN', 22, '{}'),
    ('Deutsche Bahn', 'DB VERTRIEB GMBH', 'FRANKFURT', 18, ARRAY['DB Fernverkehr']),
    ('Aral', 'ARAL AG TANKSTELLE', 'BOCHUM', 19, '{}'),
    ('Amazon', 'AMZN MKTP DE', 'LUXEMBOURG', 16, ARRAY['Amazon.de', 'AMAZON EU S.A R.L.']),
    ('Telekom', 'TELEKOM DEUTSCHLAND GMBH', 'BONN', 15, '{}'),
    ('Nordlicht Event GmbH & Co. KG', 'NORDLICHT EVENT GMBH CO KG', 'KIEL', 7, '{}'),
    ('Vermieterin Frau Øster', 'OESTER HAUSVERWALTUNG', 'FLENSBURG', 10, ARRAY['Miete']),
    ('Stadtwerke', 'STADTWERKE ABSCHLAG STROM GAS', 'LEIPZIG', 11, '{}'),
    ('Hetzner', 'HETZNER ONLINE GMBH', 'GUNZENHAUSEN', 14, '{}'),
    ('Metro', 'METRO CASH AND CARRY', 'DUESSELDORF', 9, ARRAY['Metro C&C']),
    ('Allianz', 'ALLIANZ VERSICHERUNGS AG', 'MUENCHEN', 12, '{}'),
    ('Löhne', 'LOHN UND GEHALT SAMMLER', 'BERLIN', 13, '{}'),
    ('Shell', 'SHELL 1274 STATION', 'KOELN', 19, '{}'),
    ('Lidl', 'LIDL DIENSTLEISTUNG', 'DRESDEN', 22, '{}'),
    ('GitHub', 'GITHUB INC', 'SAN FRANCISCO', 14, ARRAY['GH *PRO']),
    ('Hausbank', 'KONTOFUEHRUNG ENTGELT', 'BERLIN', 17, '{}'),
    ('Motel One', 'MOTEL ONE HAUPTBAHNHOF', 'WIEN', 20, '{}'),
    ('dm', 'DM DROGERIEMARKT', 'KARLSRUHE', 24, '{}'),
    ('Café 1900 ☕', 'CAFE 1900', 'WIEN', 23, '{}'),
    (E'Zoe\u0308s Blumen', 'ZOES BLUMEN', 'GRAZ', 16, ARRAY[E'Zo\u00eb', NULL, '', 'a "quoted", one']),
    ('株式会社サンプル', 'KABUSHIKI GAISHA SAMPLE', 'TOKYO', 7, '{}'),
    ('Zinsen', 'ABSCHLUSS ZINSEN', 'BERLIN', 8, '{}'),
    ('Staples', 'STAPLES BUEROBEDARF', 'HAMBURG', 16, '{}'),
    ('Vodafone', 'VODAFONE GMBH', 'DUESSELDORF', 15, '{}'),
    ('Adobe', 'ADOBE SYSTEMS SOFTWARE', 'DUBLIN', 14, '{}'),
    ('Hotel "Zur Post"', 'HOTEL ZUR POST', 'SALZBURG', 21, '{}'),
    ('ÖBB', 'OEBB PERSONENVERKEHR AG', 'WIEN', 18, '{}'),
    ('Gastro\Bedarf', 'GASTRO BEDARF 24', 'NUERNBERG', 9, '{}'),
    ('Apotheke am Markt', 'APOTHEKE AM MARKT', 'JENA', 24, '{}')
) AS payee (name, bank_name, city, category_id, aliases);

INSERT INTO profiles_classificationrule (id, payee_id, category_id, pattern, priority, valid_until, conditions)
SELECT id, id, category_id, '^' || replace(bank_name, ' ', '\s+') || '\b.*$',
       10 * (1 + id % 5), CASE id % 8 WHEN 0 THEN date '2025-12-31' ELSE date 'infinity' END,
       jsonb_build_object('amount', jsonb_build_object('below', -id * 12.5), 'any of', aliases)
FROM profiles_payee
ORDER BY id;

INSERT INTO profiles_exchangerate (currency, day, rate, as_published)
SELECT currency, day::date, round((1 + number * 0.013 + step * 0.0007)::numeric, 6),
       (1 + number * 0.013 + step * 0.0007)::double precision / 3
FROM unnest(ARRAY['CHF', 'GBP', 'USD']) WITH ORDINALITY AS listed (currency, number),
     generate_series(0, 29) AS step,
     LATERAL (SELECT date '2025-03-24' + step) AS calendar (day)
ORDER BY number, step;


-- Text that has broken an export somewhere ---------------------------------------------------------

INSERT INTO "Büro ""Notes"" Ledger" ("Überschrift", "the ""text""", "select", confidential) VALUES
    ('empty, which is not NULL', '', '', false),
    ('NULL, which is not empty', NULL, 'NULL', false),
    ('the letters of a NULL', '\N', E'\\N\t\\N', false),
    ('the end of a COPY', '\.', E'before\n\\.\nafter', false),
    ('a COPY header', E'COPY x (a) FROM stdin;\n1\n\\.\n', E'\nCOPY x (a) FROM stdin;', false),
    ('tabs and line ends', E'a\tb\nc\r\nd\re\u0085f\u2028g', E'\r\n', false),
    ('other control characters', E'\b\f\v\x01\x1b[31mred\x1b[0m\x7f', E'\x04\x1a', false),
    ('backslashes', E'\\ \\\\ \\t \\n C:\\new\\table\\', E'\\', true),
    ('quotes', E'''single'' "double" `back` ''''', '$$dollar$$ $body$ $1', false),
    ('spaces at both ends', E'  two  \t ', ' ', false),
    ('emoji with joiners', '👩‍👩‍👧‍👦 🇩🇪 👍🏽 🏳️‍🌈', '🧾', false),
    ('combining marks', E'Zoe\u0308 = Zo\u00eb? A\u030a\u0323 \u1e69 s\u0323\u0307', E'e\u0301\u0301', false),
    ('right to left', E'\u202bחשבונית\u202c فاتورة \u200f', E'\ufeffbyte order mark', true),
    ('wide and astral', E'株式会社 \U00020000 \U0001F9FE \uffff \U0010FFFF', '𝔏𝔢𝔡𝔤𝔢𝔯', false),
    ('words of other languages', 'DROP TABLE profiles_transaction; --', '<script>1</script> {{ x }} %s {0}', false),
    ('numbers that are text', '007', '1e5', false),
    ('csv', E'a,b;"c,""d"""\n=1+1', E'@SUM(A1)', false),
    ('shell', '$(rm -rf "$HOME") `id` %PATH% !! ~ *', '; exit 1 #', true),
    ('psql', E'\\connect template1\n\\! true\n\\q', E'\\restrict x\n\\unrestrict x', false),
    ('long', repeat('All work and no play makes Jack a dull boy. ', 60), repeat(E'\\\t', 200), false);

-- It does not compress, so the server keeps it outside of the table, in pieces.
INSERT INTO "Büro ""Notes"" Ledger" ("Überschrift", "the ""text""")
SELECT 'long, without repetition', string_agg(md5('note ' || number), '' ORDER BY number)
FROM generate_series(1, 90) AS number;


-- A scan as a large object: every byte value, more than two of the server's 2 KB pages ---------------

SELECT lo_from_bytea(
    170422,
    convert_to(E'%PDF-1.4\n', 'UTF8')
    || (SELECT string_agg(set_byte('\x00', 0, (number * 31 + number / 256) % 256), '' ORDER BY number)
        FROM generate_series(0, 5119) AS number)
);
GRANT SELECT ON LARGE OBJECT 170422 TO ledgerflow_readonly;
COMMENT ON LARGE OBJECT 170422 IS 'the scan of a receipt';

-- Transactions 17, 942 and 1666 come with the ledger; the foreign key waits until the commit.
INSERT INTO profiles_document (id, transaction_id, file_name, content_oid, thumbnail, tags) VALUES
    ('018f1e2a-0000-7000-8000-000000000001', 17, 'Beleg 17 – Quittung.pdf', 170422,
     '\x89504e470d0a1a0a0000000d49484452005c4e00ff', ARRAY['receipt', '2024', 'with "quotes"']),
    ('018f1e2a-0000-7000-8000-000000000002', 942, E'name with a\ttab.pdf', 170422, '\x', '{}'),
    ('018f1e2a-0000-7000-8000-000000000003', 1666, '..\..\evil.pdf', 170422, '\x00', ARRAY['', NULL, '\N']);
