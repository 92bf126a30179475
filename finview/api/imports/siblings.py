"""What the rows of a page hang together with, read for all of them when the first one asks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select

from finview.accounts.access import visible
from finview.api.engine.context import Context
from finview.cases.models import Case, Debtor
from finview.imports.models import ImportIssue, ImportRow
from finview.matching.models import MatchCandidate

T = TypeVar("T")


@dataclass(slots=True)
class Siblings:
    """Rows of one import that are shown together; their number changes no number of statements."""

    rows: Sequence[ImportRow]
    _known: dict[str, Any] = field(default_factory=dict)

    def issues(self, ctx: Context, row: ImportRow) -> list[ImportIssue]:
        """Return the issues of a row."""

        def read() -> dict[int, list[ImportIssue]]:
            numbers = [one.row_no for one in self.rows]
            wanted = select(ImportIssue).where(
                ImportIssue.import_id == row.import_id, ImportIssue.row_no.in_(numbers)
            )
            found = defaultdict(list)
            for issue in ctx.session.scalars(wanted):
                found[issue.row_no].append(issue)
            return found

        return self._once("issues", read).get(row.row_no, [])

    def candidates(self, ctx: Context, row: ImportRow) -> list[tuple[MatchCandidate, Debtor]]:
        """Return the visible candidates of a row's party, best first.

        A customer's user sees no debtor of another customer, not even as a candidate.
        """

        def read() -> dict[int | None, list[tuple[MatchCandidate, Debtor]]]:
            parties = {one.party_no for one in self.rows if one.match_state is not None}
            pairs = (
                select(MatchCandidate, Debtor)
                .join(Debtor, Debtor.id == MatchCandidate.debtor_id)
                .where(
                    MatchCandidate.import_id == row.import_id, MatchCandidate.party_no.in_(parties)
                )
                .order_by(MatchCandidate.party_no, MatchCandidate.rank)
            )
            found: dict[int | None, list[tuple[MatchCandidate, Debtor]]] = defaultdict(list)
            rows = ctx.session.execute(pairs).all()
            seen = self._seen(ctx, [debtor.id for _, debtor in rows])
            for candidate, debtor in rows:
                if debtor.id in seen:
                    found[candidate.party_no].append((candidate, debtor))
            return found

        return self._once("candidates", read).get(row.party_no, [])

    def debtor(self, ctx: Context, row: ImportRow) -> Debtor | None:
        """Return the debtor a row belongs to now, if the viewer may see it."""
        found: Debtor | None = self._pointed(ctx, Debtor, "debtor_id", row.debtor_id)
        return found

    def case(self, ctx: Context, row: ImportRow) -> Case | None:
        """Return the case a row became a part of, if the viewer may see it."""
        found: Case | None = self._pointed(ctx, Case, "case_id", row.case_id)
        return found

    def _pointed(self, ctx: Context, model: Any, key: str, wanted: int | None) -> Any:
        def read() -> dict[int | None, Any]:
            keys = {getattr(one, key) for one in self.rows} - {None}
            found = visible(select(model).where(model.id.in_(keys)), ctx.who)
            return {one.id: one for one in ctx.session.scalars(found)} if keys else {}

        return self._once(key, read).get(wanted)

    def _seen(self, ctx: Context, keys: Sequence[int]) -> set[int]:
        if ctx.who.staff or not keys:
            return set(keys)
        wanted = visible(select(Debtor).where(Debtor.id.in_(keys)), ctx.who)
        return {one.id for one in ctx.session.scalars(wanted)}

    def _once(self, name: str, read: Callable[[], T]) -> T:
        if name not in self._known:
            self._known[name] = read()
        found: T = self._known[name]
        return found


__all__ = ["Siblings"]
