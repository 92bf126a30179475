"""Names people give to people and things: never empty, never longer than there is room for."""

from finview.errors import Invalid, Required
from finview.i18n import N_, sentences

NAME_MAX = 200
PERSON_NAME_MAX = 100

sentences({"NAME_TOO_LONG": N_("A name has at most {max} characters.")})


def checked_name(
    name: str | None, reason: str, *, path: tuple[str, ...], most: int = NAME_MAX
) -> str:
    """Return a name without outer blanks.

    Raises `Required` with `reason` for an empty one, `Invalid` (NAME_TOO_LONG) for a longer one.
    """
    wanted = (name or "").strip()
    if not wanted:
        raise Required(reason, path=path)
    if len(wanted) > most:
        raise Invalid("NAME_TOO_LONG", path=path, max=most)
    return wanted
