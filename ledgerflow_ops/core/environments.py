"""The three environments, matched exactly."""

from enum import StrEnum

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint, make


class Environment(StrEnum):
    """`dev`, `test` or `prod`; nothing else is an environment, and nothing stands in for one."""

    DEV = "dev"
    TEST = "test"
    PROD = "prod"

    @classmethod
    def parse(cls, text: str | None, variable: str = "LEDGER_ENV") -> "Environment":
        """The environment named by `text`, exactly as written; SettingsError with the accepted values.

        `variable` is what people set it by.
        """
        accepted = ", ".join(cls)
        if not text:
            raise SettingsError(
                "LEDGER_ENV is not set: no environment is ever picked by default.",
                hint=Hint(f"Set LEDGER_ENV to one of: {accepted}. For example: ", make("backup", "dev")),
            )
        if text not in {str(member) for member in cls}:
            raise SettingsError(
                f"{variable}={text!r} is not an environment.",
                hint=Hint(f"Accepted values, exactly as written: {accepted}."),
            )
        return cls(text)
