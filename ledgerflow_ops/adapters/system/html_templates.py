"""Makes HTML of templates that lie beside the modules that fill them in. All that is filled in is escaped."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def render(template: Path, **values: Any) -> str:
    """The HTML of `template` with `values` as text; as HTML only what the template itself marks `safe`.

    jinja2.UndefinedError where the template names a value that is not given.
    """
    return _environment(template.parent).get_template(template.name).render(values)


@cache
def _environment(folder: Path) -> "jinja2.Environment":
    import jinja2  # 60 ms, for those who make a page only

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.policies["json.dumps_kwargs"] = {}  # in their own order, not by name
    return made
