"""The three environments, matched exactly."""

from enum import StrEnum

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint, make


class Environment(StrEnum):
    """`dev`, `test` or `prod`. There is no other environment and no default."""

    DEV = "dev"
    TEST = "test"
    PROD = "prod"

    @classmethod
    def parse(cls, text: str | None, variable: str = "LEDGER_ENV") -> "Environment":
        """The environment that `text` names exactly; SettingsError (exit code 2) for anything else.

        `variable` is the setting that the text comes from.
        """
        accepted = ", ".join(cls)
        if not text:
            raise SettingsError(
                "LEDGER_ENV is not set, and there is no default environment.",
                hint=Hint(f"Set LEDGER_ENV to one of: {accepted}. For example: ", make("backup", "dev")),
            )
        if text not in {str(member) for member in cls}:
            raise SettingsError(
                f"{variable}={text!r} is not an environment.",
                hint=Hint(f"Accepted values, exactly as written: {accepted}."),
            )
        return cls(text)
