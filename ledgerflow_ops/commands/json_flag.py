"""Whether JSON output was requested, for use before the command line is parsed. Imports only the standard
library."""

import os
import sys
from itertools import pairwise

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def json_wanted() -> bool:
    """Whether `--json` or JSON=1 was given; reads sys.argv without click, whose parsing may have failed."""
    for word, following in pairwise([*sys.argv[1:], ""]):
        name, _, value = word.partition("=")
        if name == "--json":
            return (value or following).lower() not in FALSE - {""}
    return os.environ.get("JSON", "").lower() in TRUE
