"""What every provider of every slot has in common."""

from abc import ABC
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from finview.plugins.contracts.host import Host

S = TypeVar("S", bound=BaseModel)


class NoSettings(BaseModel):
    """Settings of a provider that has none; also a good base for settings: frozen, no extras."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Provider(ABC, Generic[S]):
    """One implementation of a slot: made from its settings, called through the guard only.

    `name` is how bindings call it: lower case, unique in its slot. `title` is read by people.
    `deadline_s` is how long one call may take before its outcome counts as unknown. Methods are
    called from up to four threads at once.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    Settings: ClassVar[type[BaseModel]] = NoSettings
    settings_version: ClassVar[int] = 1
    deadline_s: ClassVar[float] = 30

    def __init__(self, settings: S, host: Host | None = None) -> None:
        self.settings = settings
        self.host = host or Host(self.name)

    @classmethod
    def upgrade(cls, old: dict[str, Any], version: int) -> dict[str, Any]:  # noqa: ARG003  # authors use it
        """Return settings saved under an older `settings_version` in today's form.

        Secrets are in place, to be passed on as they are. Runs whenever such settings are used,
        until somebody saves them anew.
        """
        return old

    def check(self) -> None:
        """Raise `Misconfigured` when these settings can't work.

        Runs when an operator saves them and on demand, for at most 10 seconds.
        """
