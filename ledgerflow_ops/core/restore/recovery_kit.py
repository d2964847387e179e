"""The recovery kit: how a stranger restores a backup by plain programs, without this software."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.core.catalog.files import member_name
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import AGE, is_encrypted
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.restore.kit_history import KitHistory, history_check, history_rows
from ledgerflow_ops.core.sizes import format_size

_PROGRAMS = (
    "createdb, psql and pg_restore of PostgreSQL {0} or later, sha256sum, minisign, diff, age, tar, zstd"
)


@dataclass(frozen=True, slots=True)
class KitFacts:
    """What a kit is made of: the newest proven backup, where it is, who can decrypt it, and the signed
    history that has it, or why there is none (`no_history`)."""

    manifest: Manifest
    proven_at: datetime
    made_at: datetime
    places: Sequence[str]
    recipients: Sequence[str]
    history: KitHistory | None = None
    no_history: str = ""

    @property
    def files(self) -> list[FileFacts]:
        """Every file of the backup that is needed."""
        manifest = self.manifest
        archives = manifest.files.archives if manifest.files else ()
        return [facts for facts in (manifest.dump, manifest.globals, *archives) if facts]


def readme(kit: KitFacts) -> str:
    """The kit's instructions. Their code blocks, typed in order into one shell, restore the backup."""
    checked = history_check(kit.history, kit.manifest.environment, kit.manifest.dump.file)
    parts = [*_facts(kit), *_preparation(kit), *checked, *_database(kit), *_files(kit), *_AFTERWARDS]
    return "\n\n".join(parts) + "\n"


def checksums(kit: KitFacts) -> str:
    """The committed digests, as `sha256sum --check` reads them."""
    return "".join(f"{facts.sha256}  {facts.file}\n" for facts in kit.files)


def member_lists(kit: KitFacts) -> dict[str, bytes]:
    """For each earlier archive of files, by the name of its list: what this backup needs of it.

    An earlier archive may hold other versions of a file, so it is not unpacked as a whole. Names are those of
    the members, each ended by a null byte, as `tar --null --files-from` reads them.
    """
    state = kit.manifest.files
    return (
        {
            _list_name(number): b"".join(
                member_name(entry.root, entry.path).encode("utf-8", "surrogateescape") + b"\0"
                for entry in state.held_by(facts.file)
            )
            for number, facts in enumerate(state.needs, start=1)
        }
        if state
        else {}
    )


def _list_name(number: int) -> str:
    return f"needed-{number}.names"


def _facts(kit: KitFacts) -> list[str]:
    manifest, source = kit.manifest, kit.manifest.source
    extensions = ", ".join(f"{name} {version}" for name, version in sorted(manifest.seal.extensions.items()))
    major = manifest.tool_version.split(".")[0]
    rows = [
        ("environment", str(manifest.environment)),
        ("newest proven backup", f"{manifest.dump.file}, {format_size(manifest.dump.size)}"),
        ("its data is of", f"{manifest.recovery_point:%Y-%m-%d %H:%M:%S %Z}"),
        ("proven", f"{kit.proven_at:%Y-%m-%d %H:%M %Z}"),
        ("it is in", "; ".join(kit.places)),
        ("database", f"{source.database}: PostgreSQL {source.server_version}, {format_size(source.size)}"),
        ("extensions", extensions or "none"),
        ("programs", _PROGRAMS.format(major)),
        *history_rows(kit.history, kit.no_history),
        ("who can decrypt", "; ".join(kit.recipients) or "it is not encrypted"),
        ("this kit is of", f"{kit.made_at:%Y-%m-%d %H:%M %Z}"),
    ]
    table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])
    return [f"# Restore {manifest.environment} without ledgerflow_ops", table, _OTHERS]


def _preparation(kit: KitFacts) -> list[str]:
    encrypted = any(is_encrypted(facts.file) for facts in kit.files)
    variables = [
        "set -o pipefail",
        f'BACKUPS="${{BACKUPS:-{kit.places[0]}}}"  # the folder with a copy of the backup',
        'KIT="${KIT:-$PWD}"  # this folder',
        f'DATABASE="${{DATABASE:-{kit.manifest.source.database}}}"',
    ]
    if encrypted:
        variables.append('IDENTITY="${IDENTITY:-identity.txt}"  # the private key of one of the recipients')
    block = _block(*variables, 'cd "$BACKUPS"', 'sha256sum --check "$KIT/SHA256SUMS"')
    return ["## 1. Prepare", _PREPARE, block]


def _database(kit: KitFacts) -> list[str]:
    manifest, source = kit.manifest, kit.manifest.source
    options = f"--template=template0 --encoding={source.encoding} --locale={shlex.quote(source.collate)}"
    if manifest.globals:
        roles = ["The roles. An error that a role exists already does no harm."]
        roles.append(_block(_plain(manifest.globals.file, "psql --quiet --dbname=postgres")))
    else:
        roles = [f"The backup has no roles: {manifest.globals_note}. Create its owners by hand."]
    block = _block(
        f'createdb {options} "$DATABASE"',
        _plain(manifest.dump.file, 'pg_restore --exit-on-error --dbname="$DATABASE"'),
        'psql --dbname="$DATABASE" --command=ANALYZE',
    )
    locale = f"If the server has no locale {source.collate}, write --locale=C: text then sorts differently."
    rows = f"It should have {manifest.rows} rows in {count_of(len(manifest.contents.tables), 'table')}."
    return ["## 3. Restore the database", *roles, locale, block, rows]


def _files(kit: KitFacts) -> list[str]:
    state = kit.manifest.files
    if state is None:
        return []
    tar = 'tar --zstd -x -f - -C "$FILES"'
    unpacked = [
        _plain(facts.file, f'{tar} --null --files-from="$KIT/{_list_name(number)}"')
        for number, facts in enumerate(state.needs, start=1)
    ]
    unpacked.append(_plain(state.archive.file, tar))
    text = (
        f"{count_of(len(state.files), 'file')} of {', '.join(state.roots)}. They are unpacked below one "
        "folder; move them from there to where they belong."
    )
    block = _block('FILES="${FILES:-$HOME/restored-files}"', 'mkdir -p "$FILES"', *unpacked)
    return ["## 4. Unpack the files", text, block]


_OTHERS = (
    "Later backups have files of the same kinds: put their names in place of these. The file "
    f"`….manifest.json` beside a backup has its digests. A name that ends in `{AGE}` is encrypted."
)
_PREPARE = (
    "Bring a copy of the backup to this machine, and a PostgreSQL server that has the extensions. Tell its "
    "programs where it is by PGHOST, PGPORT and PGUSER, as a superuser. Type this in bash, in this folder, "
    "line by line; stop where one fails."
)
_AFTERWARDS = (
    "## Afterwards",
    "Start the application, and check the newest entries with somebody who knows the books.",
    "Delete what was decrypted in between, if you wrote it to a disk.",
)


def _plain(file: str, program: str) -> str:
    """The command that feeds the plain bytes of a file to a program."""
    if is_encrypted(file):
        return f'age --decrypt --identity "$IDENTITY" {shlex.quote(file)} | {program}'
    return f"{program} < {shlex.quote(file)}"


def _block(*lines: str) -> str:
    return "\n".join(["```bash", *lines, "```"])
