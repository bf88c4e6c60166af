"""Nothing of a run's machine leaves with its archive: paths become places in it, secrets and names are refused."""

from __future__ import annotations

import getpass
import html
import json
import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from carseg_lib.core.errors import CarsegError, secrets_in_environment
from carseg_lib.core.paths import project_folder, runs_root

_TEXT = (".json", ".csv", ".md", ".html", ".ipynb", ".txt", ".yaml", ".svg", ".patch", ".py", ".toml", ".yml", ".sh")
_SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}"
    rb"|\bgithub_pat_[A-Za-z0-9_]{40,}|\bhf_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
)
# Nobody's: web_user is whom a program in WebAssembly believes to be, such as that in the page of make try-page.
_PERSONAL = re.compile(rb"(?:/home/(?!web_user\b)|/Users/|[A-Za-z]:\\\\?Users\\\\?)[\w.-]+")
_SHORTEST_NAME = 6  # a shorter name of a machine is a word as well


class Redactor:
    """Replaces the paths of this machine, and says what must not leave it.

    Attributes:
        changed: Names of the files in which paths were replaced.
    """

    def __init__(self, places: Mapping[str, str]):
        """Args: `places`: what absolute paths, or paths as they were given, become."""
        own = {str(runs_root()): "reports", str(project_folder()): "code", str(Path.home()): "home"}
        known = own | {path: place for path, place in places.items() if len(path) > 1}
        variants: dict[str, str] = {}
        for path, place in known.items():
            if len(path.strip("/\\")) < 2 or not Path(path).is_absolute():
                continue
            for write in (str, html.escape, _in_json, quote, lambda text: html.escape(_in_json(text))):
                variants.setdefault(write(path), write(place))
        longest_first = sorted(variants, key=len, reverse=True)
        self._variants = variants
        self._ends = re.compile(r"(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w-])")
        self._given = {path: place for path, place in places.items() if not Path(path).is_absolute()}
        self._names = [_PERSONAL, *_own_names(_user(), socket.gethostname())]
        self._values = [value.encode() for value in secrets_in_environment()]
        self.changed: list[str] = []

    def text(self, name: str, content: bytes) -> bytes:
        """The content of a file of the run without paths of this machine; a file that is no text stays as it is."""
        if not name.endswith(_TEXT):
            return content
        before = content.decode("utf-8", "surrogateescape")
        after = self._ends.sub(lambda match: self._variants[match[0]], before)
        if name.endswith(".json") and self._given:
            after = json.dumps(self._redacted(json.loads(after)), indent=2, ensure_ascii=False) + "\n"
        if after != before:
            self.changed.append(name)
        return after.encode("utf-8", "surrogateescape")

    def command(self, command: str) -> str:
        """The command that made the run, with the places of its inputs."""
        words = []
        for word in shlex.split(command):
            variable, sign, value = word.partition("=")
            value = self._ends.sub(lambda match: self._variants[match[0]], self._given.get(value, value))
            words.append(f"{variable}={shlex.quote(value)}" if sign else word)
        return " ".join(words)

    def check(self, name: str, content: bytes, *, own: bool) -> None:
        """Refuse a file that holds a secret or, unless it is code of the project, something personal.

        Raises:
            CarsegError: It does; the message has the file and the kind, never the secret.
        """
        if _SECRETS.search(content) or any(value in content for value in self._values):
            raise CarsegError(f"{name}: holds what looks like a secret (a key or a token); remove it, then archive.")
        if not own:
            return
        found = next((match for pattern in self._names if (match := pattern.search(content))), None)
        if name.endswith(_TEXT) and found:
            what = found[0].decode(errors="replace")
            raise CarsegError(f"{name}: names a person or a machine ({what!r}); nothing was written.")
        if not name.endswith(_TEXT) and any(path.encode() in content for path in self._variants if len(path) > 8):
            raise CarsegError(f"{name}: holds a path of this machine; nothing was written.")

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.command(v) if key == "command" else self._redacted(v) for key, v in value.items()}
        if isinstance(value, list):
            return [self._redacted(item) for item in value]
        return self._given.get(value, value) if isinstance(value, str) else value


def _own_names(user: str, host: str) -> list[re.Pattern[bytes]]:
    """What finds the name of the user in a path, and that of the machine; names that are words as well find nothing."""
    found = []
    if len(user) > 3 and user != "root":
        found.append(re.compile(rb"[/\\]" + re.escape(user.encode()) + rb"[/\\]"))
    if len(host) >= _SHORTEST_NAME and host != "localhost":
        found.append(re.compile(rb"\b" + re.escape(host.encode()) + rb"\b"))
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run as a number without a name
        return ""


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
