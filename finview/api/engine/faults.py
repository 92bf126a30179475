"""Top-level errors as clients may see them: our codes, our sentences; a bug is masked."""

import logging
import math
import secrets
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError

from finview.api.engine import limits
from finview.db.deadline import is_timeout
from finview.i18n import N_, sentence, sentences

log = logging.getLogger("finview.api")

CODES = frozenset(
    {
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "NOT_FOUND",
        "QUERY_TOO_COMPLEX",
        "BAD_CURSOR",
        "BAD_REQUEST",
        "RATE_LIMITED",
        "TIMEOUT",
        "INTERNAL",
    }
)
_OWN = sentences(
    {
        "UNAUTHENTICATED": N_("Not signed in."),
        "BAD_CURSOR": N_("This cursor does not belong to this list."),
        "RATE_LIMITED": N_("Too many requests. Please try again in {seconds} seconds."),
        "TIMEOUT": N_("This took too long and was stopped."),
        "INTERNAL": N_("Something went wrong on our side ({id})."),
        "INTROSPECTION_OFF": N_("Introspection is not available here."),
    }
)
MESSAGE_CHARS_MAX = 500  # graphql-core repeats what it was sent
_PARSER_LIMIT = "Parsing aborted."


def shown(error: GraphQLError, locale: str) -> dict[str, Any]:
    """Return an error of graphql-core as it may leave; a bug is logged under an id and masked."""
    source = _source(error)
    code = (source.extensions or {}).get("code")
    if code in CODES:
        facts = {k: v for k, v in (source.extensions or {}).items() if k != "code"}
        return coded(str(code), locale, error=error, **facts)
    if isinstance(source, GraphQLSyntaxError) and _PARSER_LIMIT in source.message:
        return coded(
            "QUERY_TOO_COMPLEX", locale, error=error, limit="tokens", allowed=limits.TOKENS_MAX
        )
    if _is_the_callers(error):
        return coded("BAD_REQUEST", locale, error=error)
    original = error.original_error or error
    if is_timeout(original):
        return coded("TIMEOUT", locale, error=error)
    return internal(original, locale, error)


def coded(
    code: str,
    locale: str,
    message: str | None = None,
    *,
    error: GraphQLError | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Return an error with one of our codes; its place in the document comes from `error`."""
    place = error.formatted if error is not None else {}
    told = message or (error.message[:MESSAGE_CHARS_MAX] if error is not None else code)
    found: dict[str, Any] = {
        "message": sentence(code, locale, facts) if code in _OWN or code == "NOT_FOUND" else told
    }
    found.update({k: v for k, v in place.items() if k in ("locations", "path") and v})
    return {**found, "extensions": {"code": code, **facts}}


def internal(why: BaseException, locale: str, error: GraphQLError | None = None) -> dict[str, Any]:
    """Return a masked error whose id stands in the log together with the cause."""
    key = secrets.token_hex(8)
    log.error("graphql.internal id=%s", key, exc_info=why)
    return coded("INTERNAL", locale, error=error, id=key)


def rate_limited(seconds: float, locale: str) -> dict[str, Any]:
    """Return the error of an empty bucket, with the whole seconds to wait."""
    return coded("RATE_LIMITED", locale, seconds=max(1, math.ceil(seconds)))


def introspection_off(locale: str) -> dict[str, Any]:
    """Return the error of an introspection by somebody who may not."""
    return coded("FORBIDDEN", locale, sentence("INTROSPECTION_OFF", locale))


def bad_request(message: str) -> dict[str, Any]:
    """Return the error of a request that is wrong in itself; its message is for programmers."""
    return {"message": message, "extensions": {"code": "BAD_REQUEST"}}


def _source(error: GraphQLError) -> GraphQLError:
    """Return the innermost GraphQL error: it alone has the extensions it was raised with."""
    while isinstance(error.original_error, GraphQLError):
        error = error.original_error
    return error


def _is_the_callers(error: GraphQLError) -> bool:
    """Tell whether graphql-core found the document or the variables wrong.

    Without a path nothing was executed yet. While a field runs, graphql-core points at a node of
    the document for a wrong argument, but not for a result that can't be written.
    """
    if not error.path:
        return True
    inner = error.original_error
    if not isinstance(inner, GraphQLError) or not inner.nodes:
        return False
    return not isinstance(inner.nodes[0], FieldNode)
