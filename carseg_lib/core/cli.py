"""A command line on click: options from the environment, one line for a user's mistake, fixed exit codes.

Each option's default is an environment variable (`--data`: CARSEG_DATA), which is how make passes its variables on: no
value passes through a shell. An option's value is the user's text; the command checks it and converts it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError, exhaustion

MISTAKE = 2  # exit code of a user's mistake
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it

Function = TypeVar("Function", bound=Callable[..., Any])

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class CarsegCommand(click.Command):
    """A command whose function returns the exit code (None: 0)."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs | {"context_settings": _CONTEXT})


class CarsegGroup(click.Group):
    """A group of commands, listed in the order in which they were added. `run_command` runs it."""

    command_class = CarsegCommand

    def __init__(self, *args: Any, **kwargs: Any):
        # A missing command is a mistake of one line, no occasion for the help.
        super().__init__(*args, **kwargs | {"context_settings": _CONTEXT, "no_args_is_help": False})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order in which they were added."""
        return list(self.commands)


def option(name: str, help: str) -> Callable[[Function], Function]:
    """Add a text option `--<name>`, whose default is the environment variable CARSEG_<NAME>.

    Args:
        name: The Python name of the option: "num_images" makes `--num-images` and CARSEG_NUM_IMAGES.
        help: Its line in the help.

    Returns:
        A decorator. The function gets the user's text by the keyword `name`; "" if the option is not given. An empty
        variable counts as not given. An option on the command line, even an empty one, outranks the variable.
    """
    return click.option(
        _flag(name),
        name,
        default="",
        envvar=variable(name),
        metavar=name.upper(),
        help=help,
        type=click.UNPROCESSED,
        show_default=False,
    )


def renamed_option(old: str, new: str) -> Callable[[Function], Function]:
    """Refuse an option, or its environment variable, by the name that it had earlier; an empty variable is none."""

    def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            source = context.get_parameter_source(parameter.name or "")
            on_command_line = source is click.core.ParameterSource.COMMANDLINE
            given, now = map(_flag if on_command_line else str.upper, (old, new))
            raise CarsegError(f"{given} is now called {now}: give {now}={value}")

    return click.option(
        _flag(old),
        f"former_{old}",
        envvar=variable(old),
        hidden=True,
        expose_value=False,
        is_eager=True,  # before other options are found wrong
        callback=refuse,
        type=click.UNPROCESSED,
    )


def options(texts: Mapping[str, str], former: Mapping[str, str], *names: str) -> Callable[[Function], Function]:
    """Add options in this order, and a refusal of the former name of each that has one.

    Args:
        texts: help of each option, by name.
        former: former names of options, and their present ones.
        names: of the options to add.

    Returns:
        A decorator; the function gets each value as text, "" if it is not given.
    """

    def add(function: Function) -> Function:
        for name in reversed(names):
            function = option(name, texts[name])(function)
        for old, name in former.items():
            if name in names:
                function = renamed_option(old, name)(function)
        return function

    return add


def variable(name: str) -> str:
    """The environment variable of an option: "num_images" has CARSEG_NUM_IMAGES."""
    return f"CARSEG_{name.upper()}"


def whole_number(text: str, name: str) -> int:
    """An option's text as a whole number, 0 or more, of at most nine digits; its name is for the message.

    Raises:
        CarsegError: The text is no such number.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise CarsegError(f"{name}={text}: must be a whole number, 0 or more")
    return int(text)


def run_command(group: click.Group, arguments: Sequence[str] | None = None, *, prog: str = "") -> int:
    """Read the command line and run its command.

    Args:
        group: The commands.
        arguments: The words after the program's name; those of the process if not given.
        prog: The program's name in help and messages; the group's name if not given.

    Returns:
        The exit code: what the command returned (None: 0); 2 after a user's mistake (one line on stderr); 130 if
        interrupted by Ctrl-C or SIGTERM (one line). A reader that closes the pipe ends the command with 0.

    Raises:
        Exception: Whatever else the command raised: a fault of the program, which deserves its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with sigterm_as_ctrl_c(), group.make_context(prog or group.name or "carseg", words) as context:
            return int(group.invoke(context) or 0)
    except click.exceptions.Exit as end:  # --help
        return end.exit_code
    except CarsegError as error:
        return _mistake(str(error))
    except click.ClickException as error:
        return _mistake(_usage_message(error, group))
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # it would report a kernel's reply that nobody awaits
        print("\ncarseg: stopped. What is finished is kept: the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our lines went away: `make show-config | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from carseg_lib.core.paths import runs_root

        refused = files.access_error(error, Path(os.fsdecode(error.filename or runs_root())))
        if not refused:
            raise
        return _mistake(str(refused))
    except (MemoryError, RuntimeError) as error:
        if not (exhausted := exhaustion(error)):
            raise
        return _mistake(str(exhausted))


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Within the block SIGTERM interrupts as Ctrl-C does. Only a process's main thread can set this."""
    try:
        before = signal.signal(signal.SIGTERM, end_like_ctrl_c)
    except ValueError:  # another thread than the main one
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_like_ctrl_c(*_: object) -> None:
    """A handler of signals that interrupts as Ctrl-C does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so nohup and scripts start what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _mistake(text: str) -> int:
    print(f"carseg: {' '.join(text.split())}", file=sys.stderr)
    return MISTAKE


def _usage_message(error: click.ClickException, group: click.Group) -> str:
    """A mistake in the command line in one line: what is wrong, what it is like, where the help is."""
    from carseg_lib.core.profiles import did_you_mean

    context: click.Context | None = getattr(error, "ctx", None)
    text = error.format_message()
    if isinstance(error, click.NoSuchOption) and context:
        shown = [known for known in context.command.get_params(context) if not getattr(known, "hidden", False)]
        flags = [flag for known in shown for flag in known.opts if flag.startswith("--")]
        text = f"there is no option {error.option_name!r}" + did_you_mean(error.option_name, flags)
    elif isinstance(error, click.exceptions.NoSuchCommand):
        text = f"there is no command {error.command_name!r}" + did_you_mean(error.command_name, group.commands)
    elif text == "Missing command.":
        text = f"a command is missing: {', '.join(group.commands)}"
    return f"{text.rstrip('.')} (see: {context.command_path} --help)" if context else text
