"""The failures a caller can act on: a stable code, a finer reason, parameters, and a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from finview.i18n import N_, sentence, sentences

CODES = sentences(
    {
        "NOT_FOUND": N_("This object does not exist, or you may not see it."),
        "FORBIDDEN": N_("Your role does not allow this."),
        "INVALID": N_("This value is not valid."),
        "REQUIRED": N_("This value is required."),
        "CONFLICT": N_("Somebody else changed this in the meantime. Please look again."),
        "DUPLICATE": N_("This exists already."),
        "IN_USE": N_("This is still in use and can't be removed."),
        "STATE": N_("This is not possible in the current state."),
        "IDEMPOTENCY_MISMATCH": N_("This idempotency key was used before with another input."),
        "CONFIRMATION_REQUIRED": N_("Please confirm: this can't be undone."),
        "IMPORT_LAUNCHED": N_("The workflows of this import were launched; it can't be changed."),
        "IMPORT_NOT_READY": N_("The import is not ready for this step."),
        "IMPORT_FILE_UNREADABLE": N_("The file can't be read."),
        "IMPORT_FILE_ENCRYPTED": N_("The file is encrypted."),
        "IMPORT_FILE_TOO_LARGE": N_("The file is too large."),
        "IMPORT_FILE_TYPE": N_("This type of file is not supported."),
        "IMPORT_FIELD_REQUIRED": N_("A required field has no column: {fields}."),
        "IMPORT_FIELD_DUPLICATE": N_("Two columns are mapped to the same field: {field}."),
        "BUCKET_NOT_IN_PORTFOLIO": N_("The bucket belongs to another portfolio."),
        "ENRICHMENT_NOT_GRANTED": N_("Address enrichment has not been granted to this customer."),
        "PLUGIN_MISCONFIGURED": N_("The settings of this plugin can't work."),
        "CONTACT_BLOCKED": N_("Contact is not allowed at present."),
        "PROVIDER_FAILED": N_("A provider failed."),
        "JOB_FAILED": N_("The work failed."),
        "SIGN_IN_FAILED": N_("E-mail address or password are not right."),
        "SECOND_FACTOR_REQUIRED": N_("Please enter the one-time code of your app as well."),
        "TOKEN_INVALID": N_("This link is not valid."),
        "RATE_LIMITED": N_("Too many requests. Please try again in {seconds} seconds."),
    }
)


class FinviewError(Exception):
    """A failure with a stable `code`; everything that is not one of these is a bug.

    `reason` is the fine code and has a sentence of its own; it is answered as `params.reason`.
    `path` leads into the caller's input. Parameters must be JSON-able.
    """

    code: ClassVar[str] = "INVALID"

    def __init__(
        self, reason: str | None = None, *, path: Sequence[str] = (), **params: Any
    ) -> None:
        super().__init__(reason or self.code)
        self.reason = reason
        self.path = tuple(path)
        self.params: dict[str, Any] = params if reason is None else {"reason": reason, **params}

    def message(self, locale: str) -> str:
        """Return the sentence for a person, in `locale`."""
        return sentence(self.reason or self.code, locale, self.params)

    def as_dict(self) -> dict[str, Any]:
        """Return the failure as it is stored with an import or a job."""
        return {"code": self.code, "params": dict(self.params), "path": list(self.path)}


def describe(failure: Mapping[str, Any], locale: str) -> str:
    """Return the sentence of a stored failure (`FinviewError.as_dict`) in `locale`."""
    params = failure.get("params") or {}
    return sentence(params.get("reason") or failure["code"], locale, params)


class Verbatim(str):
    """A part of a path that is somebody's own word, such as the name of a node; never respelled."""

    __slots__ = ()


class Key(int):
    """A row's key as a caller gave it: it remembers where in the input it stood."""

    path: tuple[str, ...] = ()

    @classmethod
    def at(cls, value: int, path: Sequence[str]) -> Self:
        """Return a key that stood at a place of the input."""
        key = cls(value)
        key.path = tuple(path)
        return key


class NotFound(FinviewError):
    """Missing, or foreign: the two read the same."""

    code = "NOT_FOUND"

    @classmethod
    def row(cls, key: int | None) -> Self:
        """Return the failure to find the row of a key, with its place in the input, if known."""
        return cls(path=key.path if isinstance(key, Key) else ())


class Forbidden(FinviewError):
    """Visible, but not allowed for this role."""

    code = "FORBIDDEN"


class Invalid(FinviewError):
    """A value that can't be accepted."""

    code = "INVALID"


class Several(Invalid):
    """A value with several faults; the first stands for all where only one can be told."""

    def __init__(self, faults: Sequence[Invalid]) -> None:
        first = faults[0]
        params = {name: value for name, value in first.params.items() if name != "reason"}
        super().__init__(first.reason, path=first.path, **params)
        self.faults = tuple(faults)


class Required(FinviewError):
    """A value is missing."""

    code = "REQUIRED"


class Conflict(FinviewError):
    """Two contradicting wishes, or a stale version."""

    code = "CONFLICT"


class Duplicate(FinviewError):
    """The thing exists already."""

    code = "DUPLICATE"


class InUse(FinviewError):
    """The thing can't go while others use it."""

    code = "IN_USE"


class State(FinviewError):
    """Not in this state."""

    code = "STATE"


class IdempotencyMismatch(FinviewError):
    """The same key with another input."""

    code = "IDEMPOTENCY_MISMATCH"


class ConfirmationRequired(FinviewError):
    """An irreversible step without `confirm: true`."""

    code = "CONFIRMATION_REQUIRED"


class ImportLaunched(FinviewError):
    """The import's workflows run already."""

    code = "IMPORT_LAUNCHED"


class ImportNotReady(FinviewError):
    """A step comes too early."""

    code = "IMPORT_NOT_READY"


class FileUnreadable(FinviewError):
    """Broken, empty or forbidden content."""

    code = "IMPORT_FILE_UNREADABLE"


class FileEncrypted(FinviewError):
    """Protected by a password."""

    code = "IMPORT_FILE_ENCRYPTED"


class FileTooLarge(FinviewError):
    """Over a limit; the reason names it."""

    code = "IMPORT_FILE_TOO_LARGE"


class FileType(FinviewError):
    """Not a spreadsheet finview reads."""

    code = "IMPORT_FILE_TYPE"


class FieldRequired(FinviewError):
    """A required field has no column."""

    code = "IMPORT_FIELD_REQUIRED"


class FieldDuplicate(FinviewError):
    """Two columns on one field."""

    code = "IMPORT_FIELD_DUPLICATE"


class BucketNotInPortfolio(FinviewError):
    """The bucket belongs to another portfolio."""

    code = "BUCKET_NOT_IN_PORTFOLIO"


class EnrichmentNotGranted(FinviewError):
    """Skip tracing was not granted by an administrator."""

    code = "ENRICHMENT_NOT_GRANTED"


class PluginMisconfigured(FinviewError):
    """Settings that can't work."""

    code = "PLUGIN_MISCONFIGURED"


class ProviderFailedError(FinviewError):
    """Foreign code failed, and says who."""

    code = "PROVIDER_FAILED"


class SignInFailed(FinviewError):
    """Unknown address, wrong password, no access: they read the same."""

    code = "SIGN_IN_FAILED"


class SecondFactorRequired(FinviewError):
    """The password is right, a one-time code is missing or wrong."""

    code = "SECOND_FACTOR_REQUIRED"


class TokenInvalid(FinviewError):
    """The secret of a link opens nothing: unknown, used, expired."""

    code = "TOKEN_INVALID"


class RateLimited(FinviewError):
    """Too often; `seconds` says when to try again."""

    code = "RATE_LIMITED"


class JobFailed(FinviewError):
    """Background work failed for good."""

    code = "JOB_FAILED"
