"""What authors raise, and what the guard makes of everything else."""

from typing import ClassVar

from finview.db import jobs
from finview.errors import FinviewError, NotFound, PluginMisconfigured, ProviderFailedError
from finview.i18n import N_, sentences

SENTENCES = sentences(
    {
        "PROVIDER_ERROR": N_("{provider} ({distribution}) failed: {why}"),
        "PROVIDER_TIMEOUT": N_(
            "{provider} ({distribution}) did not answer within {seconds} seconds."
        ),
        "PROVIDER_BUSY": N_(
            "{provider} ({distribution}) was not called: all its threads are busy."
        ),
        "PROVIDER_PAUSED": N_(
            "{provider} ({distribution}) failed repeatedly and is left alone for {seconds} seconds."
        ),
        "PROVIDER_RETRY_LATER": N_(
            "{provider} ({distribution}) asks to wait for {seconds} seconds: {why}"
        ),
        "PROVIDER_REJECTED": N_("{provider} ({distribution}) refused for good: {why}"),
        "PROVIDER_MISCONFIGURED": N_(
            "The settings of {provider} ({distribution}) can't work: {why}"
        ),
        "PROVIDER_MISSING": N_("{provider} is bound to {slot} but not installed or not working."),
        "PROVIDER_UNKNOWN": N_("{slot} has no provider called {provider}."),
        "PROVIDER_DUPLICATE": N_("{first} and {second} both bring a {slot} called {provider}."),
        "SLOT_UNKNOWN": N_("There is no slot called {slot}."),
        "SLOT_NOT_BOUND": N_("Providers of {slot} are not chosen by a binding."),
        "SLOT_POSITION": N_("{slot} has no position {position}."),
        "SETTING_INVALID": N_("{field}: {why}"),
        "SETTING_SECRET_MISSING": N_("{field}: there is no saved secret to keep; please enter it."),
        "SETTING_REFERENCE": N_("{field}: {name} can't be read or may not be used here."),
        "SETTINGS_TOO_LARGE": N_("The settings are larger than {most} bytes."),
        "SECRETS_UNREADABLE": N_(
            "The saved secrets can't be read: FINVIEW_SECRET_KEY was changed. Please enter them anew."
        ),
        "PLUGIN_INCOMPATIBLE": N_("{distribution} needs finview {wanted}; this is {running}."),
        "PLUGIN_HOOK_UNKNOWN": N_("{distribution} implements {hook}, which is no hook of finview."),
        "PLUGIN_BROKEN": N_("{distribution} could not be loaded: {why}"),
    }
)


class RetryLater(jobs.RetryLater):
    """Raised by an author: the whole call later, after `after_s` seconds; nothing was done."""

    def __init__(self, why: str | FinviewError, after_s: float = 60) -> None:
        super().__init__(why, after_s=after_s)


class Rejected(jobs.Rejected):
    """Raised by an author: the whole call never; a person has to look."""


class Misconfigured(jobs.Misconfigured):
    """Raised by an author: these settings can't work (a wrong key, an expired account).

    The job waits; `park_key` names the binding, and saving a good one frees it.
    """

    def __init__(self, why: str | FinviewError, park_key: str = "") -> None:
        super().__init__(why, park_key=park_key)


class BadSignature(Exception):
    """Raised by an author's `parse_webhook`: this request is not from the provider."""


class ProviderMissing(Misconfigured):
    """A binding names a provider that is not installed or not loaded; nothing else steps in."""

    def __init__(self, slot: str, provider: str, park_key: str = "") -> None:
        super().__init__(
            PluginError("PROVIDER_MISSING", slot=slot, provider=provider), park_key=park_key
        )


class ProviderFailed(ProviderFailedError):
    """Foreign code broke its contract: it raised, or returned what it may not return."""

    fine: ClassVar[str] = "PROVIDER_ERROR"

    def __init__(self, provider: str, distribution: str, why: str = "", seconds: int = 0) -> None:
        super().__init__(
            self.fine, provider=provider, distribution=distribution, why=why, seconds=seconds
        )
        self.provider = provider
        self.why = why


class ProviderTimeout(ProviderFailed):
    """No answer within the deadline: whether anything was done is unknown."""

    fine = "PROVIDER_TIMEOUT"


class ProviderBusy(ProviderFailed):
    """The call never started, since all threads of the provider hang; surely nothing was done."""

    fine = "PROVIDER_BUSY"


class ProviderPaused(ProviderFailed):
    """The breaker is open, the call was not made; surely nothing was done."""

    fine = "PROVIDER_PAUSED"


class PluginError(PluginMisconfigured):
    """A plugin that can't be used; `reason` says why."""


class SlotUnknown(NotFound):
    """No such slot."""

    def __init__(self, slot: str) -> None:
        super().__init__("SLOT_UNKNOWN", slot=slot)


class ProviderUnknown(NotFound):
    """A provider that nobody brings."""

    def __init__(self, slot: str, provider: str) -> None:
        super().__init__("PROVIDER_UNKNOWN", slot=slot, provider=provider)


SURELY_NOT_DONE = (RetryLater, Rejected, Misconfigured, ProviderBusy, ProviderPaused)
"""What a call may raise without having had any effect; after anything else nobody knows."""


class ProviderSaid(ProviderFailedError):
    """What a provider asked for or refused, in its own words."""


class ProviderMisconfigured(PluginMisconfigured):
    """Settings a provider can't work with, in its own words."""
