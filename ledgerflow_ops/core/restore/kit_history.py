"""The part of a recovery kit that checks a backup by the signed history, with minisign and a plain shell.

An entry's text is one line of JSON, quoted in a line of the history's file (`core/history/entry.py`). Both
are written in one way only, so that `sed` and `grep` can read them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment


@dataclass(frozen=True, slots=True)
class KitHistory:
    """What a stranger needs to know of the history that has a backup.

    `public_key` is what `minisign -P` takes, `key_id` begins the names of the history's files, `others` are
    further trusted keys. Each of `places` has a copy with at least `entries` entries, the last of which has
    the SHA-256 `head`. `earlier` says that the backup was there before the history began.
    """

    public_key: str
    key_id: str
    others: Sequence[str]
    places: Sequence[str]
    entries: int
    head: str
    earlier: bool


def history_rows(history: KitHistory | None, problem: str) -> list[tuple[str, str]]:
    """Rows of the kit's table of facts: who signs the history, and where copies of it are."""
    if history is None:
        return [("signed history", problem)]
    others = [("other trusted keys", "; ".join(history.others))] if history.others else []
    return [
        ("public key of the signed history", history.public_key),
        *others,
        ("copies of the history are in", "; ".join(history.places)),
        ("the history has at least", f"{history.entries} entries, head {history.head}"),
    ]


def history_check(history: KitHistory | None, environment: Environment, dump: str) -> list[str]:
    """The section that checks the backup of this dump: text and one block of commands for bash.

    The block fails where a file of the history is not signed by the key, where entries were changed, removed
    or re-ordered, where the history was put back to before the kit, where the backup was moved to quarantine,
    and where manifest, dump or the kit's digests are not what the history commits.
    """
    if history is None:
        return [_UNCHECKED]
    name = BackupName.of(dump)
    block = _BLOCK % {
        "place": history.places[0],
        "stem": name.stem,
        "ending": dump.removeprefix(name.stem),
        "id": history.key_id,
        "key": history.public_key,
        "environment": environment,
        "entries": history.entries,
        "head": history.head,
    }
    return ["## 2. Check that nobody has exchanged it", _WHY, *_earlier(history), block, _FAILED]


def _earlier(history: KitHistory) -> list[str]:
    return [_EARLIER] if history.earlier else []


_BLOCK = r"""```bash
HISTORY="${HISTORY:-%(place)s}"  # the folder with a copy of the history
NAME="${NAME:-%(stem)s}"  # the backup, as its files are called
CHECKED="$(mktemp -d)"

# Each file of the history is signed. The comments name its last entry.
(for file in "$HISTORY"/%(id)s.*.jsonl; do minisign -Vm "$file" -P %(key)s || exit 1; done)

# The entries, and the SHA-256 of each.
cat "$HISTORY"/%(id)s.*.jsonl | sed -n 's/^{"entry":"\(.*\)","minisig":".*$/\1/p' |
  sed 's/\\\(["\\]\)/\1/g' > "$CHECKED/entries"
while IFS= read -r entry; do printf %%s "$entry" | sha256sum | cut -c1-64; done \
  < "$CHECKED/entries" > "$CHECKED/digests"

# Each entry names the SHA-256 of the one before it: diff shows nothing.
sed -n 's/^{"version":1,"n":[0-9]*,"previous":"\([0-9a-f]*\)","environment":"%(environment)s",.*/\1/p' \
  "$CHECKED/entries" | diff - <(head -n -1 "$CHECKED/digests")

# The head of the history when this kit was made is in it: its SHA-256 is shown.
sed -n %(entries)sp "$CHECKED/digests" | grep -x %(head)s

# What was done to the backup. The last of it is shown, and is no quarantine.
grep -F "\"file\":\"$NAME." "$CHECKED/entries" > "$CHECKED/backup"
tail -n 1 "$CHECKED/backup" | grep -v '"kind":"quarantine"'

# Manifest and dump are those that the history commits.
committed() { sed -n "s/.*\"$1\":\"\([0-9a-f]*\)\".*/\1/p" "$CHECKED/backup" | tail -n 1; }
echo "$(committed manifest)  $NAME.manifest.json" | sha256sum --check
echo "$(committed dump)  $NAME%(ending)s" | sha256sum --check

# The manifest has the digest of each file in SHA256SUMS.
(while read -r digest file; do grep -q "$digest" "$NAME.manifest.json" || { echo "$file: FAILED"; exit 1; }
done < "$KIT/SHA256SUMS")
```"""
_WHY = (
    "Digests alone do not tell who wrote a backup: whoever can write beside it can compute them, too. The "
    "history of the backups is signed with a key that does not lie beside them. First compare the public key "
    "with the copy that was kept elsewhere, in a safe or on paper: whoever can write into this "
    "folder could have exchanged it. Then type this, in the same shell; stop where one line fails."
)
_EARLIER = (
    "This backup was there before the history began: nobody signed it when it was made, and the check shows "
    "only that it is the same since then."
)
_FAILED = (
    "**If a line fails, do not restore this copy.** A failed signature, an output of `diff`, or no entry of "
    "the head: that copy of the history was changed, cut or put back to an earlier state. `FAILED` for a "
    "manifest, dump or other file: the backup was exchanged or damaged. Keep that folder as it is, as "
    "evidence. Take the copy of another place in the table, set BACKUPS or HISTORY to it, and begin again at "
    "step 1. If no place has a copy that passes, take an older backup: set NAME to it, and leave out the two "
    "commands with SHA256SUMS; its manifest has its digests. Restore none that fails, not even for a test: "
    "a dump carries SQL that runs with the rights of whoever restores it."
)
_UNCHECKED = (
    "## 2. Nobody can check who wrote it\n\n"
    "This kit has no signed history of this backup: the table says why. The digests find damage, but not a "
    "backup that somebody has exchanged together with this kit. Compare copies of several places."
)
