"""`mesh.run`: an application's `main`, with the errors of a node as one line.

What the library says of a configuration, a key, a store or a port is a sentence for a person, and
comes out of nested groups of exceptions. Whatever else an application raises is its own, and keeps
its traceback.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio

__all__ = ["run"]

WRONG_INPUT, INTERRUPTED = 2, 130
"""Exit codes: of a mistake in what was given, and of Ctrl-C."""


def run(main: Callable[..., Awaitable[Any]], *arguments: object) -> None:
    """Run an async function with trio; a mistake ends the program with one line.

    Args:
        main: the application; it may open a node.
        arguments: what it is called with.

    Raises:
        SystemExit: the library refused what it was given (2), or Ctrl-C was pressed (130).
    """
    try:
        # Ctrl-C goes to `main` alone: a task of somebody's library may swallow what it is not for.
        trio.run(main, *arguments, restrict_keyboard_interrupt_to_checkpoints=True)
    except BaseException as error:
        sentence = _sentence(error)
        if sentence is not None:
            sys.stderr.write(f"mesh: {' '.join(sentence.split())}\n")
            raise SystemExit(WRONG_INPUT) from None
        if _is_interrupt(error):
            raise SystemExit(INTERRUPTED) from None
        raise


def _is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C and nothing else, in whatever groups."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(map(_is_interrupt, group.exceptions))
    return isinstance(error, KeyboardInterrupt)


def _sentence(error: BaseException) -> str | None:
    """The one line of an error of the library; None for what is the application's own."""
    from mesh.cli.app import sentence_of  # the command tree, needed only where something is wrong

    return None if _is_of_a_file(error) else sentence_of(error)


def _is_of_a_file(error: BaseException) -> bool:
    if not isinstance(error, BaseExceptionGroup):
        return isinstance(error, OSError)
    return cast("BaseExceptionGroup[BaseException]", error).subgroup(OSError) is not None
