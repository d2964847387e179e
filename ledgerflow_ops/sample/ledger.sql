-- The statements from sample.first_statement to sample.last_statement, and all that hangs on them.
--
-- Every value is computed from the number of its row, so that a ledger of a size always has the same
-- contents, in however many steps it came to be. `hash` and `mix` stand for chance: Knuth's
-- multiplicative hash of the row's number, whose upper bits are the good ones, and that stirred again.
-- Statement s holds sample.per_statement transactions, numbered on from those of s - 1.

INSERT INTO profiles_transaction (id, statement_id, profile_id, payee_id, booked_on, value_on, amount,
                                  currency, description, bank_reference, note, raw, is_reviewed, imported_at)
SELECT
    number, statement_id, 1 + (statement_id - 1) % 3, payee.id, booked_on, booked_on + payee.id::integer % 3,
    price + CASE WHEN archived THEN mix % 97 * 0.01 ELSE 0 END,
    'EUR',
    channel || ' ' || payee.bank_name || ' ' || payee.city || to_char(booked_on, ' DD.MM.')
        || CASE WHEN archived THEN details ELSE '' END,
    bank_reference,
    CASE
        WHEN number % 41 = 0 THEN E'checked\tby hand:\r\n"\\' || bank_reference || E'\\"\n'
        WHEN number % 7 = 0 THEN ''
    END,
    jsonb_build_object(
        'type', channel,
        'iban', concat('DE', 10 + payee.id % 89, '50010517', lpad((payee.id * 7654321)::text, 10, '0')),
        'flags', CASE number % 12 WHEN 0 THEN '["recurring"]' WHEN 1 THEN '["foreign", null]' ELSE '[]' END::jsonb
    ),
    number % 9 <> 0,
    timestamptz '2025-04-07 06:00:00+00' + statement_id * interval '61.25 seconds'
        + CASE WHEN archived THEN mix % 60000000 ELSE 0 END * interval '1 microsecond'
FROM
    generate_series(current_setting('sample.first_statement')::bigint,
                    current_setting('sample.last_statement')::bigint) AS statement_id,
    generate_series(1, current_setting('sample.per_statement')::integer) AS line,
    (VALUES (
        '{CARD PURCHASE, SEPA DIRECT DEBIT, ONLINE PAYMENT, STANDING ORDER, CREDIT TRANSFER,
          POINT OF SALE}'::text[],
        '{RECHNUNG, KUNDE, VOM, DANK, AUFTRAG, LIEFERUNG, MIETE, ABSCHLAG, RATE, BEITRAG, NR, GUTSCHRIFT, STORNO,
          SKONTO, MAHNUNG, VERTRAG, FILIALE, KASSE, BELEG, NACHTRAG, QUARTAL, MONAT, JAHR, RESERVIERUNG, ABO,
          LIZENZ, WARTUNG, FRACHT, PFAND, ZOLL, TRINKGELD, ANZAHLUNG}'::text[]
    )) AS vocabulary (channels, words),
    LATERAL (SELECT (statement_id - 1) * current_setting('sample.per_statement')::integer + line) AS a (number),
    LATERAL (SELECT number * 2654435761 & 4294967295) AS b (hash),
    LATERAL (SELECT (hash # (hash >> 15)) * 1597334677 & 4294967295) AS c (mix),
    -- A year forward from April 2024; what is imported after that comes from the archive of the years
    -- before, which another bank kept: with odd cents and long references, so it compresses less well.
    LATERAL (SELECT ((statement_id - 1) / 3 % 180)::integer) AS d (month),
    LATERAL (SELECT month >= 12, CASE WHEN month < 12 THEN month ELSE 11 - month END) AS e (archived, distance),
    LATERAL (SELECT (date '2024-04-01' + make_interval(months => distance))::date
                    + (line - 1) * 28 / current_setting('sample.per_statement')::integer) AS f (booked_on),
    -- Squared, so that a few payees have most of the transactions.
    LATERAL (SELECT 1 + (((mix >> 10) % 1024) ^ 2)::bigint * 32 / 1048576) AS g (payee_id)
    JOIN profiles_payee AS payee ON payee.id = payee_id
    JOIN profiles_category AS category ON category.id = payee.category_id,
    LATERAL (SELECT channels[1 + payee.id % 6]) AS h (channel),
    -- Money comes in round sums and leaves as prices.
    LATERAL (SELECT CASE category.kind
                 WHEN 'income' THEN 25 + (mix >> 7) % 180 * 25.00
                 ELSE -(1 + (mix >> 7) % 75 * 2 + (ARRAY[0.00, 0.49, 0.95, 0.99])[1 + payee.id % 4])
                      * (1 + number % 5)
             END) AS i (price),
    LATERAL (SELECT to_char(booked_on, 'YYMMDD') || lpad(
                 (CASE WHEN archived THEN mix * 7919 % 100000000000 ELSE number END)::text, 11, '0'
             )) AS j (bank_reference),
    LATERAL (SELECT concat(
                 ' EREF ', upper(to_hex(mix * 1048573)),
                 ' MREF M', lpad((hash * 31 % 1000000000)::text, 9, '0'),
                 ' CRED DE98ZZZ0', payee.id * 1000193,
                 ' KREF ', number, '-', mix % 9973,
                 ' IBAN DE', 10 + hash % 89, '37040044', lpad((mix * 104729 % 10000000000)::text, 10, '0'),
                 ' SVWZ RECHNUNG ', (hash >> 8) % 1000000, ' VIELEN DANK FUER IHREN AUFTRAG ',
                 words[1 + (mix & 31)], ' ', words[1 + (mix >> 5 & 31)], ' ', words[1 + (mix >> 10 & 31)], ' ',
                 words[1 + (mix >> 15 & 31)], ' ', words[1 + (mix >> 20 & 31)]
             )) AS k (details)
ORDER BY number;

INSERT INTO profiles_statementfile (id, profile_id, account_id, file_name, file_hash, period_start, period_end,
                                    transaction_count, total_amount, opening_balance, closing_balance,
                                    extracted_text, status, uploaded_at)
SELECT
    statement_id, profile_id, (profile_id - 1) * 8 + 1,
    'Kontoauszug_' || to_char(period_start, 'YYYY_MM') || '_' || statement_id || '.pdf',
    encode(sha256(convert_to('statement ' || statement_id, 'UTF8')), 'hex'),
    period_start, (period_start + interval '1 month' - interval '1 day')::date,
    transaction_count, total, opening, opening + total, extracted,
    CASE WHEN statement_id % 5 = 0 THEN 'parsed' ELSE 'reconciled' END,
    timestamptz '2025-04-07 05:59:00+00' + statement_id * interval '1 minute'
FROM (
    SELECT statement_id, profile_id, date_trunc('month', min(booked_on)::timestamp)::date AS period_start,
           count(*) AS transaction_count, sum(amount) AS total,
           (statement_id * 137911 % 5000000)::numeric / 100 AS opening,
           string_agg(concat_ws(
               E'\t', to_char(booked_on, 'DD.MM.'),
               CASE WHEN booked_on < '2024-04-01' THEN description ELSE raw ->> 'type' END,
               to_char(amount, 'FM9999990.00S')
           ), E'\r\n' ORDER BY id) AS extracted
    FROM profiles_transaction
    WHERE id BETWEEN current_setting('sample.first_transaction')::bigint
                 AND current_setting('sample.last_transaction')::bigint
    GROUP BY statement_id, profile_id
) AS booked
ORDER BY statement_id;

INSERT INTO profiles_processingtask (id, statement_id, state, payload, log, started_at, took)
SELECT
    md5('task ' || id)::uuid, id,
    (CASE WHEN id % 17 = 0 THEN 'won''t fix' WHEN id % 11 = 0 THEN 'failed' ELSE 'completed' END)
        ::profiles_taskstate,
    jsonb_build_object('file', file_name, 'parser', CASE id % 2 WHEN 0 THEN 'camt.053' ELSE 'pdf' END,
                       'retries', id % 3, 'pages', jsonb_build_array(1, id % 7, NULL)),
    CASE WHEN id % 11 = 0 THEN E'Traceback (most recent call last):\n  File "parser.py", line ' || id % 400
                               || E'\n\tValueError: ''\\x00'' in column 3' END,
    uploaded_at + interval '5 seconds', id % 97 * interval '311 milliseconds'
FROM profiles_statementfile
WHERE id BETWEEN current_setting('sample.first_statement')::bigint
             AND current_setting('sample.last_statement')::bigint
ORDER BY id;

-- Every seventh transaction was classified twice: the older verdict is kept, no longer current.
INSERT INTO profiles_transactionclassification (id, transaction_id, category_id, method, confidence,
                                                is_current, reasoning, created_at)
SELECT
    transaction.id * 2 - is_current::integer, transaction.id,
    CASE WHEN is_current THEN payee.category_id ELSE 6 + (payee.category_id - 5) % 19 END,
    methods[1 + payee.id % 3], 0.5 + payee.id % 16 * 0.03, is_current,
    concat(openings[1 + payee.id % 4], payee.name, ' in ', payee.city, ', ', remarks[1 + (mix >> 22) % 5], '.',
           CASE WHEN booked_on < '2024-04-01' THEN comparison END),
    imported_at + interval '2 hours' - (NOT is_current)::integer * interval '1 hour'
FROM profiles_transaction AS transaction
JOIN profiles_payee AS payee ON payee.id = transaction.payee_id
CROSS JOIN (VALUES (true), (false)) AS verdict (is_current)
CROSS JOIN (VALUES (
    '{rule, model, manual}'::text[],
    '{"The bank''s line names ", "Matched the rule for ", "Same as last month: ", "Looks like "}'::text[],
    '{a regular supplier, seen before, new this year, no receipt found, receipt attached}'::text[],
    '{invoice, customer, sender, thanks, order, delivery, rent, instalment, interval, subscription, number,
      credit, reversal, discount, reminder, contract, branch, till, receipt, supplement, quarter, month, year,
      booking, amount, licence, maintenance, freight, deposit, customs, tip, account}'::text[]
)) AS vocabulary (methods, openings, remarks, words)
CROSS JOIN LATERAL (SELECT transaction.id * 2654435761 & 4294967295) AS a (hash)
CROSS JOIN LATERAL (SELECT (hash # (hash >> 15)) * 1597334677 & 4294967295) AS b (mix)
CROSS JOIN LATERAL (SELECT concat(
    ' Compared with ', (mix >> 8) % 1000, ' earlier transactions of this payee; the nearest is number ',
    mix * 7919 % 10000000, ', ', to_char(0.8 + mix % 2000 * 0.0001, 'FM0.0000'), ' alike by ',
    words[1 + (mix & 31)], ', ', words[1 + (mix >> 5 & 31)], ' and ', words[1 + (mix >> 10 & 31)],
    ', less so by ', words[1 + (mix >> 15 & 31)], ' or ', words[1 + (mix >> 20 & 31)],
    ', unlike ', words[1 + (hash >> 25 & 31)], ' and ', words[1 + (hash >> 20 & 31)], ' of ', hash % 1000003, '.'
)) AS c (comparison)
WHERE transaction.id BETWEEN current_setting('sample.first_transaction')::bigint
                         AND current_setting('sample.last_transaction')::bigint
  AND (is_current OR transaction.id % 7 = 0)
ORDER BY 1;

INSERT INTO profiles_journal (id, profile_id, transaction_id, posted_on, memo)
OVERRIDING SYSTEM VALUE
SELECT id, profile_id, id, value_on, 'Statement ' || statement_id
FROM profiles_transaction
WHERE id BETWEEN current_setting('sample.first_transaction')::bigint
             AND current_setting('sample.last_transaction')::bigint
ORDER BY id;

-- The bank's side, its counterpart, and for every fourth expense the tax out of that.
INSERT INTO profiles_journalline (id, journal_id, position, account_id, amount, tax_code)
SELECT transaction.id * 3 - 3 + line.position, transaction.id, line.position,
       (profile_id - 1) * 8 + line.account, line.amount, line.tax_code
FROM profiles_transaction AS transaction
CROSS JOIN LATERAL (
    SELECT CASE WHEN amount < 0 AND id % 4 = 0 THEN round(-amount * 19 / 119, 2) END
) AS taxed (tax)
CROSS JOIN LATERAL (VALUES
    (1, 1, amount, NULL),
    (2, CASE WHEN amount > 0 THEN 2 ELSE 4 + payee_id % 5 END, -amount - coalesce(tax, 0), NULL),
    (3, 3, tax, 'VST')
) AS line (position, account, amount, tax_code)
WHERE transaction.id BETWEEN current_setting('sample.first_transaction')::bigint
                         AND current_setting('sample.last_transaction')::bigint
  AND line.amount IS NOT NULL
ORDER BY 1;

-- A person has reviewed every third transaction.
INSERT INTO profiles_auditlog (id, happened_at, user_id, action, object_type, object_id, address, changes)
SELECT
    id,
    months[1 + id / 3 % 3] + id * 7 % 40000 * interval '1 minute' + id / 1667 * 7919 % 60 * interval '1 second',
    CASE WHEN id % 13 <> 0 THEN 1 + id / 3 % 3 END,
    CASE WHEN is_reviewed THEN 'reviewed' ELSE 'imported' END,
    'profiles.transaction', id,
    ('10.0.0.' || 1 + id / 3 % 3)::inet,
    jsonb_build_object('amount', jsonb_build_array(NULL, amount),
                       'is_reviewed', jsonb_build_array(false, is_reviewed))
FROM profiles_transaction
CROSS JOIN (VALUES (
    '{2025-02-01 00:00:00+00, 2025-03-01 00:00:00+00, 2025-04-01 00:00:00+00}'::timestamptz[]
)) AS calendar (months)
WHERE id BETWEEN current_setting('sample.first_transaction')::bigint
             AND current_setting('sample.last_transaction')::bigint
  AND id % 3 = 0
ORDER BY id;
