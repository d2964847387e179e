"""A server older than all tools here: newer tools make its backups, which can be restored into it."""

from pathlib import Path

import pytest

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops_tests.fakes import roundtrips, servers

_BOOKS = """
CREATE TABLE public.t (a int PRIMARY KEY, b text);
INSERT INTO public.t SELECT g, md5(g::text) FROM generate_series(1, 2000) g;
CREATE TABLE public.u (a int REFERENCES public.t, at timestamptz);
INSERT INTO public.u SELECT g, now() FROM generate_series(1, 500) g;
CREATE INDEX ON public.u (at);
CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
SET transaction_timeout = 0;
END $$;
"""


def test_a_backup_by_newer_tools_comes_back_into_its_older_server(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # no tools but the bundled ones
    with (
        servers.server(root, servers.of_major(16)) as server,
        roundtrips.case(root, server, server.cluster.tools, "older", _BOOKS) as case,
    ):
        case.roundtrip("CREATE TABLE public.later (a int)")
        (manifest,) = [one.manifest for one in case.sandbox.entries() if one.name.dump == "first.dump"]
        assert manifest is not None
        assert (
            int(manifest.tool_version.split(".")[0])
            == client_tools.bundled_tools().major
            > manifest.source.major
        )
