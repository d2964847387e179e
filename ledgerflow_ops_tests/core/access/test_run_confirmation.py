"""A run that changes something is carried out for the environment whose very name was typed."""

import pytest

from ledgerflow_ops.core.access.run_confirmation import require_typed_environment
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused


@pytest.mark.parametrize("environment", Environment)
def test_no_other_word_will_do(environment: Environment) -> None:
    name = str(environment)
    require_typed_environment(environment, name, None)
    others = [str(one) for one in Environment if one != environment]
    for typed in (
        "",
        "all",
        "*",
        "yes",
        "true",
        name.upper(),
        name.title(),
        f" {name}",
        f"{name}\n",
        name[:-1],
        f"{name}s",
        f"{name},prod",
        *others,
    ):
        with pytest.raises(Refused) as refused:
            require_typed_environment(environment, typed, None)
        assert f"environment: {name} " in refused.value.hint
        assert f"would change {name}" in refused.value.message


@pytest.mark.parametrize("environment", Environment)
def test_what_was_typed_for_another_run_does_not_count(environment: Environment) -> None:
    with pytest.raises(Refused, match="re-executes 4711"):
        require_typed_environment(environment, str(environment), "4711")
