"""What an error looks like to a person: one sentence, what to do, and the author's part of the traceback."""

from __future__ import annotations

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

from headwater.errors import HeadwaterError

# A server's error page can be the message of an exception.
SENTENCE_CHARACTERS = 500

_OWN_FOLDER = f"{Path(__file__).parent.parent}/"
_LIBRARIES = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, made ready to be shown.

    trace  the author's part of the traceback; None when the author's code took no part
    """

    sentence: str
    hint: str | None
    trace: str | None


def explained(error: BaseException) -> Failure:
    """Say what an error means to the person in front of the screen."""
    if isinstance(error, HeadwaterError):
        # op.error() may carry a traceback of the author's own making.
        given = getattr(error, "trace", None)
        trace = author_traceback(error)
        if trace is None and error.__cause__ is not None:  # what the author caught, at the time
            trace = author_traceback(error.__cause__)
        return Failure(error.message, error.hint, given or trace)
    trace = author_traceback(error)
    if isinstance(error, SystemExit):
        hint = "To end a sync early, return from update(); to fail it, raise an exception or call op.error()."
        return Failure(f"the connector called sys.exit({_exit_code(error)}){_place(error)}", hint, trace)
    # With none of the author's code in it, it was headwater that could not read or write.
    said = system_error(error) if isinstance(error, OSError) and trace is None else error_line(error)
    line = said.split("\n")[0]
    if len(line) > SENTENCE_CHARACTERS:
        line = f"{line[:SENTENCE_CHARACTERS]}…"
    return Failure(f"{line}{_place(error)}", _hint(error), trace)


def system_error(error: OSError) -> str:
    """Write what the system refused: the file, and why, without the number.

    >>> system_error(PermissionError(13, "Permission denied", "files/runs.db"))
    'files/runs.db: Permission denied'
    """
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def error_line(error: BaseException) -> str:
    """Write the last part of a traceback: the type and the message.

    >>> error_line(ValueError("boom"))
    'ValueError: boom'
    """
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.TracebackException.from_exception(error).format_exception_only()).strip()


def author_traceback(error: BaseException) -> str | None:
    """Write the traceback of an error without headwater's frames; None when there is no other frame in it."""
    shown = traceback.TracebackException.from_exception(error)
    if not _authors(shown.stack) and not isinstance(error, SyntaxError):
        return None
    _keep_authors_frames(shown)
    return "".join(shown.format()).rstrip()


def _keep_authors_frames(shown: traceback.TracebackException) -> None:
    shown.stack = traceback.StackSummary.from_list(_authors(shown.stack))
    for name in ("__cause__", "__context__"):
        linked = getattr(shown, name)
        if linked is None:
            continue
        if _authors(linked.stack):
            _keep_authors_frames(linked)
        else:
            # What went wrong inside headwater first is in the crash report.
            setattr(shown, name, None)
    for each in getattr(shown, "exceptions", None) or ():
        _keep_authors_frames(each)


def _authors(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Keep the frames of the author, and of the libraries that the author calls; not those that headwater calls."""
    kept = []
    inside = True
    for frame in stack:
        if frame.filename.startswith(_OWN_FOLDER):
            inside = True
        elif not (inside and _is_library(frame.filename)):
            inside = False
            kept.append(frame)
    return kept


def _is_library(filename: str) -> bool:
    return filename.startswith(("<frozen ", *_LIBRARIES))


def _place(error: BaseException) -> str:
    """Name the innermost line of the author's that an error passed through."""
    if isinstance(error, SyntaxError):
        return ""  # the message names the line
    frames = [frame for frame in _authors(traceback.extract_tb(error.__traceback__)) if not _is_library(frame.filename)]
    if not frames:
        return ""
    frame = frames[-1]
    inside = "" if frame.name.startswith("<") else f", in {frame.name}()"
    return f" ({Path(frame.filename).name}, line {frame.lineno}{inside})"


def _exit_code(error: SystemExit) -> str:
    return "" if error.code is None else repr(error.code)


def _hint(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"Install what provides {package!r} into this environment, and name it in requirements.txt."
    if isinstance(error, MemoryError):
        return "Emit rows as they come instead of collecting them, and checkpoint more often."
    return None
