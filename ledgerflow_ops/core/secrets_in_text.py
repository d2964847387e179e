"""Passwords in text that people read or that is kept: they are replaced before it leaves the program."""

import re

_SECRETS = re.compile(
    r"(\w+://[^:/\s@]*:)\S+(?=@)"
    r"|((?:password|passwd)\s*=\s*)('(?:\\.|[^'\\])*(?:'|\Z)|(?:\\.|\S)+)",
    re.IGNORECASE | re.DOTALL,
)


def mask_secrets(text: str) -> str:
    """`text` with the passwords in URLs and in connection strings replaced by `***`."""
    return _SECRETS.sub(lambda match: (match[1] or match[2]) + "***", text)
