"""The three environments, and nothing that looks like one."""

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError


@pytest.mark.parametrize("environment", list(Environment))
def test_an_environment_is_named_exactly(environment: Environment) -> None:
    assert Environment.parse(str(environment)) is environment


@pytest.mark.parametrize(
    "text",
    ["PROD", "Prod", "preprod", "prod ", " prod", "prod\n", "production", "de", "dev,test", "prоd", "0"],
)
def test_anything_else_is_refused_with_the_accepted_values(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Environment.parse(text)
    assert repr(text) in caught.value.message
    assert "dev, test, prod" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", [None, ""])
def test_none_is_ever_picked_by_default(text: str | None) -> None:
    with pytest.raises(SettingsError, match="LEDGER_ENV is not set") as caught:
        Environment.parse(text)
    assert "dev, test, prod" in caught.value.hint
    assert caught.value.exit_code == 2
