"""SQL functions: which are known to be harmless, and which are known to lose data."""

import re
from collections.abc import Iterator, Sequence

from ledgerflow_ops.guard.inside.effects import Finding, changes, destroys, unread
from ledgerflow_ops.guard.inside.options import names
from ledgerflow_ops.guard.inside.settings import setting
from ledgerflow_ops.guard.inside.tokens import Kind, Token

_NO_CALLS = names(
    """
    in values exists any all some over filter and or not as on using select from where with by row
    array case when then else having limit offset fetch union except intersect distinct between like
    ilike is similar within group order returning set into lateral only join rollup cube sets
    grouping materialized recursive partition check key primary unique references foreign default
    table view index to analyze analyse verbose explain copy include numeric decimal varchar char
    character varying bpchar bit time timestamp timestamptz timetz interval float cast extract
    coalesce nullif greatest least overlay position substring trim treat normalize collation
    json_object json_array json_value json_query json_exists json_scalar json_serialize json_table
    json_objectagg json_arrayagg xmlelement xmlforest xmlconcat xmlagg xmlparse xmlserialize
    """
)
"""Keywords that may precede a parenthesis without calling a function."""

HARMLESS = names(
    """
    count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
    bool_and bool_or every bit_and bit_or bit_xor stddev stddev_pop stddev_samp variance var_pop
    var_samp corr covar_pop covar_samp regr_slope regr_intercept regr_r2 regr_count mode
    percentile_cont percentile_disc row_number rank dense_rank percent_rank cume_dist ntile lag lead
    first_value last_value nth_value any_value range_agg now clock_timestamp statement_timestamp
    transaction_timestamp timeofday age date_part date_trunc date_bin make_date make_time
    make_timestamp make_timestamptz make_interval justify_days justify_hours justify_interval
    isfinite to_timestamp to_date to_char to_number version current_setting current_database
    current_schema current_schemas current_query current_user session_user pg_backend_pid
    pg_postmaster_start_time pg_conf_load_time pg_is_in_recovery inet_client_addr inet_server_addr
    inet_server_port pg_blocking_pids pg_jit_available pg_size_pretty pg_size_bytes pg_database_size
    pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_tablespace_size
    pg_column_size pg_relation_filepath pg_relation_filenode pg_tablespace_location
    pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_last_wal_receive_lsn
    pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_wal_lsn_diff pg_walfile_name
    pg_control_system pg_control_checkpoint pg_control_recovery pg_control_init pg_get_userbyid
    pg_get_viewdef pg_get_functiondef pg_get_indexdef pg_get_constraintdef pg_get_expr
    pg_get_triggerdef pg_get_ruledef pg_get_serial_sequence pg_get_function_arguments
    pg_get_function_result pg_get_function_identity_arguments pg_get_keywords pg_describe_object
    pg_identify_object pg_encoding_to_char pg_char_to_encoding pg_client_encoding
    pg_table_is_visible pg_type_is_visible pg_function_is_visible format_type obj_description
    col_description shobj_description has_table_privilege has_database_privilege
    has_schema_privilege has_column_privilege has_function_privilege has_sequence_privilege
    has_any_column_privilege pg_has_role pg_typeof to_regclass to_regtype to_regproc to_regrole
    to_regnamespace pg_lock_status pg_show_all_settings pg_prepared_xact pg_sequence_last_value
    pg_stat_get_activity pg_options_to_table pg_collation_for pg_input_is_valid pg_read_file
    pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_waldir pg_ls_logdir pg_ls_tmpdir
    pg_current_logfile pg_timezone_names pg_timezone_abbrevs pg_cursor pg_available_extensions
    txid_current_if_assigned pg_current_snapshot txid_current_snapshot pg_snapshot_xmin
    pg_snapshot_xmax pg_sleep pg_sleep_for pg_sleep_until length char_length character_length
    octet_length bit_length lower upper initcap btrim ltrim rtrim lpad rpad left right replace
    translate split_part strpos substr reverse repeat concat concat_ws format chr ascii md5 sha224
    sha256 sha384 sha512 encode decode quote_ident quote_literal quote_nullable starts_with
    regexp_replace regexp_match regexp_matches regexp_split_to_array regexp_split_to_table
    regexp_count regexp_instr regexp_like regexp_substr string_to_array string_to_table
    array_to_string unistr to_hex parse_ident convert_from convert_to abs ceil ceiling floor round
    trunc sign sqrt cbrt power exp ln log log10 mod div gcd lcm factorial degrees radians pi sin cos
    tan asin acos atan atan2 random setseed width_bucket scale min_scale trim_scale array_length
    array_upper array_lower array_ndims array_dims array_append array_prepend array_cat array_remove
    array_replace array_position array_positions cardinality unnest generate_series
    generate_subscripts gen_random_uuid hashtext hashtextextended num_nulls num_nonnulls to_json
    to_jsonb row_to_json array_to_json json_build_object json_build_array jsonb_build_object
    jsonb_build_array json_extract_path json_extract_path_text jsonb_extract_path
    jsonb_extract_path_text json_array_length jsonb_array_length json_each json_each_text jsonb_each
    jsonb_each_text json_object_keys jsonb_object_keys json_array_elements json_array_elements_text
    jsonb_array_elements jsonb_array_elements_text json_typeof jsonb_typeof jsonb_set jsonb_insert
    jsonb_pretty json_strip_nulls jsonb_strip_nulls jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_path_exists jsonb_path_match json_to_record json_to_recordset
    jsonb_to_record jsonb_to_recordset json_populate_record jsonb_populate_record to_tsvector
    to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline
    int2 int4 int8 float4 float8 text date bool host masklen network family lower_inc
    upper_inc isempty daterange tstzrange tsrange int4range int8range numrange
    """
)

_TERRIBLE = {
    "lo_unlink": "deletes a large object",
    "lo_truncate": "truncates a large object",
    "lo_truncate64": "truncates a large object",
    "lo_put": "overwrites a large object",
    "lowrite": "overwrites a large object",
    "lo_export": "writes a file on the server",
    "pg_file_unlink": "deletes a file on the server",
    "pg_file_rename": "renames a file on the server",
    "pg_file_write": "writes a file on the server",
    "pg_promote": "promotes a standby, which then differs from its primary",
    "pg_drop_replication_slot": "discards changes that a replication client still needs",
    "pg_replication_slot_advance": "discards changes that a replication client still needs",
    "pg_logical_slot_get_changes": "consumes changes, which no other replication client then gets",
    "pg_logical_slot_get_binary_changes": "consumes changes, which no other replication client then gets",
    "heap_force_kill": "kills rows",
    "heap_force_freeze": "makes deleted rows visible again",
}
_RUNS_TEXT = re.compile(
    r"dblink\w*|query_to_xml\w*|cursor_to_xml\w*|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table"
    r"|plpy\w*|exec\w*|execute\w*|eval\w*|run_command\w*|schedule\w*|lo_import|pg_restore_\w+|binary_upgrade_\w+"
)
FATAL_WORDS = re.compile(
    r"delete|drop|trunc(?:ate)|flush|purge|wipe|erase|destroy|remove|unlink|rmtree|reset", re.IGNORECASE
)
"""Words in an unknown name that suggest loss of data."""
_PLAIN_NAME = re.compile(r"[a-z_.]+")
_NAMES_COLUMNS = (
    "as",
    "recursive",
    "with",
    "into",
    "table",
    "exists",
    "references",
    "view",
    "copy",
    "tablesample",
)


def calls(statement: Sequence[Token]) -> Iterator[Finding]:
    """What the functions that a statement calls could do, without those known to be harmless."""
    for place, token in enumerate(statement[:-1]):
        if statement[place + 1].is_mark("(") and token.name:
            finding = _call(statement, place)
            if finding:
                yield finding


def _call(statement: Sequence[Token], place: int) -> Finding | None:
    token, name = statement[place], statement[place].name
    foreign = _schema(statement, place) not in ("", "pg_catalog")
    if (token.kind is Kind.WORD and not foreign and name in _NO_CALLS) or _is_alias(statement, place):
        return None
    if name == "set_config":
        return _configured(statement[place + 2 :])
    if name in _TERRIBLE:
        return destroys(f"{_TERRIBLE[name]} ({name})")
    if _RUNS_TEXT.fullmatch(name):
        return destroys(f"runs what it is given as text ({name})")
    if name in HARMLESS and not foreign:
        return None
    if FATAL_WORDS.search(name):
        return destroys(f"calls {name}, whose name suggests that it loses data")
    return changes(f"calls {name}, whose body is unknown")


def _configured(arguments: Sequence[Token]) -> Finding:
    readable = len(arguments) > 2 and arguments[0].kind is Kind.STRING and arguments[1].is_mark(",")
    if readable and _PLAIN_NAME.fullmatch(arguments[0].text):
        finding = setting(arguments[0].text, arguments[2].text)
        return finding if finding.effect else changes(f"sets {arguments[0].text}")
    return unread("sets a setting whose name cannot be read")


def _schema(statement: Sequence[Token], place: int) -> str:
    """The schema that a name is written with; empty for none."""
    if place >= 2 and statement[place - 1].is_mark("."):
        return statement[place - 2].name or "?"
    return "?" if place and statement[place - 1].is_mark(".") else ""


def _is_alias(statement: Sequence[Token], place: int) -> bool:
    """`WITH name(…) AS (`, `, name(…) AS (SELECT` and `INTO name(…)` name columns and call nothing."""
    start = place
    while start >= 2 and statement[start - 1].is_mark("."):
        start -= 2
    if start == 0:
        return False
    before = statement[start - 1]
    if before.is_word(*_NAMES_COLUMNS):
        return True
    if not before.is_mark(","):
        return False
    near = range(place, min(place + 100, len(statement)))
    end = next((at for at in near if statement[at].is_mark(")")), len(statement))
    tail = statement[end + 1 : end + 4]
    return len(tail) == 3 and tail[0].is_word("as") and tail[1].is_mark("(") and tail[2].is_word("select")
