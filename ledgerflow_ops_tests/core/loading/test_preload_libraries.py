"""What a drill's server preloads, and what it does not."""

from ledgerflow_ops.core.loading import preload_libraries


def test_what_an_extension_needs_is_preloaded_and_nothing_that_acts_by_itself() -> None:
    preloaded = ("pg_cron", "auto_explain", "passwordcheck", "our_own")
    assert preload_libraries.libraries_needed(("pg_cron", "hstore", "our_own"), preloaded) == (
        "our_own",
        "pg_cron",
    )
    assert preload_libraries.libraries_needed(("pgaudit", "hstore", "our_own"), None) == ("pgaudit",)
    assert preload_libraries.libraries_needed(("hstore",), preloaded) == ()


def test_a_preloaded_library_gets_no_process_of_its_own() -> None:
    settings = preload_libraries.preload_settings(("pg_cron", "pgaudit"), "copy")
    assert settings["shared_preload_libraries"] == "pg_cron,pgaudit"
    assert settings["max_worker_processes"] == "0"
    assert (settings["cron.database_name"], settings["cron.host"]) == ("copy", "/nonexistent")
    assert preload_libraries.preload_settings((), "copy") == {}
