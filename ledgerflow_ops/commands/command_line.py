"""How a command line is read: flags, --env, a positional FILE, help pages, and hints for misspelt words.

Every option is also an environment variable, which make passes. What is typed on the command line wins.
"""

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from ledgerflow_ops.commands import completion
from ledgerflow_ops.commands.json_flag import FALSE, TRUE
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint, command

HELP_WIDTH = 100
VARIABLE = "LEDGER_ENV"
_CHOSEN, _POSITIONAL = "ledgerflow.environment", "ledgerflow.file"
"""Where a call's context keeps the value of --env, and FILE where it was given without --file."""
_VARIABLES_NOTE = """Each option can be given as its variable instead, a flag as 1 or 0; make passes them on:
  LEDGER_ENV=dev make restore FILE=latest-proven DRY_RUN=1
"""

Decorator = Callable[[Any], Any]
Completion = Callable[[click.Context, click.Parameter, str], list[str]]
_Unknown = click.NoSuchOption | click.NoSuchCommand


class Flag(click.ParamType[bool]):
    """An option or variable that is 1 or 0; SettingsError (exit code 2) for anything else."""

    name = "0|1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ARG002
        text = str(value).lower()
        if text not in TRUE | FALSE:
            name = param.envvar if param else "the flag"
            raise SettingsError(
                f"{name}={value!r} is neither 1 nor 0.", hint=Hint(f"Write {name}=1 or {name}=0.")
            )
        return text in TRUE


class FlagOption(click.Option):
    """`--name`, or `--no-name` where it is on by default. The older `--name 1` and `--name 0` work too."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's line in the help: the form that changes the default."""
        record = super().get_help_record(ctx)
        return (self._negation if self.default else self.opts[0], record[1]) if record else None

    @property
    def _negation(self) -> str:
        return self.opts[0].replace("--", "--no-", 1)

    @property
    def spellings(self) -> Mapping[str, str]:
        """What may be typed, with the value that it means where none follows."""
        return {self.opts[0]: "1", **({self._negation: "0"} if self.default else {})}


def flag(name: str, default: bool, text: str) -> Decorator:
    """An option `--name` that also reads the environment variable NAME."""
    variable = name.upper().replace("-", "_")
    return click.option(
        f"--{name}",
        cls=FlagOption,
        type=Flag(),
        envvar=variable,
        show_envvar=True,
        default=default,
        is_flag=False,
        flag_value="1",
        help=text,
    )


def _with_flag_values(words: Sequence[str], flags: Iterable[FlagOption]) -> list[str]:
    """The words with each flag's value attached: `--dry-run latest` becomes `--dry-run=1 latest`.

    A 1 or 0 that follows is the value (the older spelling `--dry-run 1`); any other word is left alone.
    """
    spelt = {text: (option.opts[0], value) for option in flags for text, value in option.spellings.items()}
    left, read = list(words), list[str]()
    while left:
        word = left.pop(0)
        if word == "--":
            return [*read, word, *left]
        if word in spelt:
            name, value = spelt[word]
            if value == "1" and left and left[0] and left[0].lower() in TRUE | FALSE:
                value = left.pop(0)
            word = f"{name}={value}"
        read.append(word)
    return read


class Command(click.Command):
    """A command whose flags need no value, and whose help has examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        self.examples = tuple(examples)
        super().__init__(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = [param for param in self.params if isinstance(param, FlagOption)]
        left = super().parse_args(ctx, _with_flag_values(args, flags))
        if ctx.resilient_parsing:  # a shell completes words: the one after a flag is no value of it
            for option in flags:
                option.is_flag = True
        return left

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, and that each option is a variable as well."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}ledgerflow {example}\n")
        if any(isinstance(param, click.Option) and param.envvar for param in self.params):
            formatter.write_paragraph()
            formatter.write(_VARIABLES_NOTE)
        super().format_epilog(ctx, formatter)


def option(*names: str, envvar: str, text: str, **more: Any) -> Decorator:
    """An option with a value, which also reads `envvar`."""
    return click.option(*names, envvar=envvar, show_envvar=True, help=text, **more)


def environment(text: str) -> Decorator:
    """The option --env, which names the environment as LEDGER_ENV does, for this call alone."""
    return click.option(
        "--env",
        envvar=VARIABLE,
        show_envvar=True,
        metavar="|".join(Environment),
        expose_value=False,
        callback=_choose_environment,
        shell_complete=completion.environments,
        help=text,
    )


def _choose_environment(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    """Set LEDGER_ENV to what --env names; SettingsError unless that is dev, test or prod."""
    if value is None or ctx.get_parameter_source("env") is not ParameterSource.COMMANDLINE:
        return
    chosen = str(Environment.parse(value, "--env"))
    earlier = ctx.meta.setdefault(_CHOSEN, chosen)
    if earlier != chosen:
        raise click.UsageError(f"--env is given twice: {earlier} and {chosen}.", ctx)
    os.environ[VARIABLE] = chosen


def file(text: str, complete: Completion | None = completion.backups) -> Decorator:
    """FILE: a word after the command, `--file`, or the variable. The function gets it as `file`.

    `complete` offers the words for it in a shell.
    """

    def decorate(function: Any) -> Any:
        option = click.option(
            "--file",
            cls=_FileOption,
            envvar="FILE",
            show_envvar=True,
            default=None,
            callback=_file_of_either,
            shell_complete=complete,
            help=text,
        )
        argument = click.argument(
            "positional_file",
            metavar="[FILE]",
            required=False,
            expose_value=False,
            is_eager=True,
            callback=_remember_positional,
            shell_complete=complete,
        )
        return argument(option(function))

    return decorate


class _FileOption(click.Option):
    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return ("FILE, --file FILE", record[1]) if record else None


def _remember_positional(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    ctx.meta[_POSITIONAL] = value


def _file_of_either(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The file from either place; UsageError where both name one and the two differ."""
    positional: str | None = ctx.meta.get(_POSITIONAL)
    if positional is None:
        return value
    typed = ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
    if typed and value != positional:
        raise click.UsageError(f"FILE is given twice: {positional} and {value}.", ctx)
    return positional


def usage_hint(error: click.ClickException) -> Hint:
    """The command line with the nearest option or command in place of an unknown one; else where help is."""
    if isinstance(error, _Unknown) and (nearest := _nearest(error)):
        wrong, right = nearest
        return Hint("Did you mean: ", command("ledgerflow", *_environment_words(), *_corrected(wrong, right)))
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path.split()[1:] if context else []
    about = " describes its options." if path else " lists the commands."
    return Hint(command("ledgerflow", *path, "--help"), about)


def _nearest(error: _Unknown) -> tuple[str, str] | None:
    """The unknown word and the known one that is most like it, by difflib's ratio of at least 0.6."""
    wrong = error.option_name if isinstance(error, click.NoSuchOption) else error.command_name
    known = list(error.possibilities or ())
    if isinstance(error, click.NoSuchOption) and error.ctx:
        for param in error.ctx.command.params:
            known += param.spellings if isinstance(param, FlagOption) else ()
    found = difflib.get_close_matches(wrong, known, 1)
    return (wrong, found[0]) if found else None


def usage_message(error: click.ClickException) -> str:
    """The error in words; the nearest match is left to the hint."""
    return error.message if isinstance(error, _Unknown) else error.format_message()


def _corrected(wrong: str, right: str) -> list[str]:
    """The words that were typed, with the first `wrong` one replaced."""
    words = sys.argv[1:]
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == wrong:
            return [*words[:place], right + equals + value, *words[place + 1 :]]
    return words


def _environment_words() -> tuple[str, ...]:
    """The environment of this call as an option, where it came as a variable in front of the command."""
    named = os.environ.get(VARIABLE, "")
    typed = any(word.partition("=")[0] == "--env" for word in sys.argv)
    return ("--env", named) if named in set(Environment) and not typed else ()
