"""Secrets in text that people read or that is kept: they are replaced before it leaves the program."""

import re

# The first \b keeps a long word without an address from being searched again from each of its characters.
_SECRETS = re.compile(
    r"\b(\w+://[^:/\s@]*:)\S+(?=@)"
    r"|(AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9-]+)-)1[A-Z0-9]+"
    r"|((?:password|passwd)(?:\s*=\s*|\s+(?=')))('(?:\\.|''|[^'\\])*(?:'|\Z)|(?:\\.|\S)+)",
    re.IGNORECASE | re.DOTALL,
)


def mask_secrets(text: str) -> str:
    """`text` with `***` for passwords in URLs, connection strings and SQL, and for identities of age."""
    return _SECRETS.sub(lambda match: (match[1] or match[2] or match[3]) + "***", text)
