"""Whether the caller is a program, asked before anything else is there to ask it with."""

import os
import sys
from itertools import pairwise

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def json_wanted() -> bool:
    """Whether JSON was asked for, read without click: its own reading may be what failed."""
    for word, following in pairwise([*sys.argv[1:], ""]):
        name, _, value = word.partition("=")
        if name == "--json":
            return (value or following).lower() not in FALSE - {""}
    return os.environ.get("JSON", "").lower() in TRUE
