"""Renders HTML from Jinja templates. All values are escaped."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def render(template: Path, **values: Any) -> str:
    """The HTML of `template`. `values` are escaped, except where the template marks them `safe`.

    jinja2.UndefinedError if the template uses a value that is not given.
    """
    return _environment(template.parent).get_template(template.name).render(values)


@cache
def _environment(folder: Path) -> "jinja2.Environment":
    import jinja2  # takes 60 ms, and only pages need it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["json.dumps_kwargs"] = {}  # keep the order of keys
    return environment
