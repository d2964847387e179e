"""HTML from templates: values are escaped, and none may be missing."""

from pathlib import Path

import jinja2
import pytest

from ledgerflow_ops.adapters.services import request_guard
from ledgerflow_ops.adapters.system import html_templates


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "page.html.j2"
    file.write_text('<p title="{{ name }}">{{ name }}</p><script>{{ spec | tojson }}</script>')
    return file


def test_a_value_is_text_wherever_it_stands(template: Path) -> None:
    made = html_templates.render(template, name="\"><b>'&", spec={"z": "</script>", "a": 1})
    text = "&#34;&gt;&lt;b&gt;&#39;&amp;"
    assert made == f'<p title="{text}">{text}</p><script>{{"z": "\\u003c/script\\u003e", "a": 1}}</script>'


def test_a_value_that_is_not_given_is_an_error(template: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        html_templates.render(template, spec=1)


@pytest.mark.parametrize("again", [True, False])
def test_who_is_not_let_in_is_shown_why(again: bool) -> None:
    page = html_templates.render(request_guard.PAGE, message="No <b>", hint="Ask & wait.", again=again)
    assert "<h1>No &lt;b&gt;</h1><p>Ask &amp; wait.</p>" in page
    assert ('<a href="">open the page again from here</a>' in page) is again
    assert "body{font:16px" in page
