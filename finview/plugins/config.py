"""What an operator enters for a provider: validated by its model, secrets kept apart, encrypted."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from finview.errors import PluginMisconfigured

MASK = "***"
SETTINGS_BYTES_MAX = 64 * 1024
FILE_BYTES_MAX = 64 * 1024
QUOTED_CHARS_MIN = 4
ENV_PREFIX = "FINVIEW_PLUGIN_"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Settings as they are kept: what may be shown, and the secrets by their place."""

    model: BaseModel
    public: dict[str, Any]
    secrets: dict[str, str]


class Vault:
    """Encrypts the secrets of bindings with a key derived from FINVIEW_SECRET_KEY."""

    def __init__(self, key: str) -> None:
        derived = hashlib.sha256(b"finview plugin secrets\x00" + key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def lock(self, secrets: Mapping[str, str]) -> str | None:
        """Return the encrypted secrets, None when there are none."""
        if not secrets:
            return None
        return self._fernet.encrypt(json.dumps(dict(secrets)).encode()).decode()

    def unlock(self, token: str | None) -> dict[str, str]:
        """Return the secrets; raise `PluginMisconfigured` when the key was changed since."""
        if token is None:
            return {}
        try:
            found: dict[str, str] = json.loads(self._fernet.decrypt(token.encode()))
        except InvalidToken:
            raise PluginMisconfigured("SECRETS_UNREADABLE") from None
        return found


def entered(
    cls: type[BaseModel], given: Mapping[str, Any], kept: Mapping[str, str], folder: Path
) -> Entered:
    """Validate what an operator sent and take its secrets out.

    `kept` are the secrets saved before: `"***"` at the place of one keeps it. A value may be
    `{"$env": "FINVIEW_PLUGIN_…"}` or `{"$file": "name"}` (a file in `folder`), which is kept as it
    is and read at use. Raises `PluginMisconfigured` with the path of the fault.
    """
    if len(json.dumps(given, default=str)) > SETTINGS_BYTES_MAX:
        raise PluginMisconfigured("SETTINGS_TOO_LARGE", path=("settings",), most=SETTINGS_BYTES_MAX)
    raw: dict[str, Any] = deepcopy(dict(given))
    for place, secret in kept.items():
        if _at(raw, place) == MASK:
            _put(raw, place, secret)
    model = validated(cls, raw, folder)
    leaves = [(json.dumps(path), path, secret) for path, secret in _secret_leaves(model)]
    public: dict[str, Any] = deepcopy(raw)
    if any(_at(raw, place) is None for place, _, _ in leaves):
        # The model reshapes what it is given, so only its own form says where the secrets are.
        public = model.model_dump(mode="json", by_alias=True)
    secrets: dict[str, str] = {}
    for place, path, secret in leaves:
        if _is_reference(_at(public, place)):
            continue  # read at use
        if secret == MASK:
            raise PluginMisconfigured(
                "SETTING_SECRET_MISSING", path=("settings", *map(str, path)), field=str(path[-1])
            )
        secrets[place] = secret
        _put(public, place, MASK)
    return Entered(model=model, public=public, secrets=secrets)


def opened(
    cls: type[BaseModel], public: Mapping[str, Any], secrets: Mapping[str, str], folder: Path
) -> BaseModel:
    """Return the settings of a saved binding with their secrets in place, references read."""
    return validated(cls, filled(public, secrets), folder)


def filled(public: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return saved settings as they were entered, secrets in place."""
    raw = deepcopy(dict(public))
    for place, secret in secrets.items():
        _put(raw, place, secret)
    return raw


def validated(cls: type[BaseModel], raw: Mapping[str, Any], folder: Path) -> BaseModel:
    """Return the model of plain settings; raise `PluginMisconfigured` naming the first fault."""
    values = _resolved(raw, folder, ("settings",))
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        # Only place and kind of the fault: the input may hold a secret.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ("settings", *(str(part) for part in first["loc"]))
        raise PluginMisconfigured(
            "SETTING_INVALID",
            path=path,
            field=".".join(path[1:]) or "settings",
            why=_without(first["msg"], values),
        ) from None


def _without(message: str, values: Any) -> str:
    """Return an author's message without any of the values it may quote: one could be a secret."""
    if isinstance(values, str) and len(values) >= QUOTED_CHARS_MIN:
        return message.replace(values, MASK)
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, (list, tuple)):
        for value in values:
            message = _without(message, value)
    return message


def _resolved(value: Any, folder: Path, path: tuple[str, ...]) -> Any:
    if _is_reference(value):
        ((kind, name),) = value.items()
        found = _from_environment(name) if kind == "$env" else _from_file(name, folder)
        if found is None:
            raise PluginMisconfigured("SETTING_REFERENCE", path=path, field=path[-1], name=name)
        return found
    if isinstance(value, Mapping):
        return {key: _resolved(item, folder, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, folder, (*path, str(i))) for i, item in enumerate(value)]
    return value


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in ("$env", "$file")


def _from_environment(name: Any) -> str | None:
    # Any other name would let an operator read the installation's own secrets.
    return os.environ.get(name) if isinstance(name, str) and name.startswith(ENV_PREFIX) else None


def _from_file(name: Any, folder: Path) -> str | None:
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        return None
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
        return None
    return path.read_text(encoding="utf-8").strip()


def _secret_leaves(value: Any, path: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield path, value.get_secret_value().decode("utf-8", "replace")
    elif isinstance(value, BaseModel):
        # A default of the code is not entered by anybody and stays out of the table.
        for name, info in type(value).model_fields.items():
            if name in value.model_fields_set:
                yield from _secret_leaves(getattr(value, name), (*path, info.alias or name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secret_leaves(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _secret_leaves(item, (*path, index))


def _at(tree: Any, place: str) -> Any:
    for step in json.loads(place):
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _put(tree: Any, place: str, value: Any) -> None:
    *way, last = json.loads(place)
    try:
        for step in way:
            tree = tree[step]
        tree[last] = value
    except (KeyError, IndexError, TypeError):
        return
