"""A claim account as it would stand after money and charges that are only imagined (pure)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from finview.cases.allocation import is_derived, replay
from finview.cases.claims import FIRST_STEP, CaseClaims, gather
from finview.cases.financials import first_charges
from finview.cases.ledger import Posting
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.reading import Line
from finview.cases.statement import Balance, balance_of

_NEW = 1 << 60
"""Above every transaction there is: what is imagined comes last of its day."""


class ImaginedAccount:
    """A case as read from its ledger, to which payments and charges are added without posting any.

    The same rules compute it as compute the real one: the first charges of a case, the order in
    which money is allocated, interest from allocation to allocation.
    """

    def __init__(self, case: CaseClaims) -> None:
        self._case = case
        self._added: list[Line] = []

    def pay(self, minor: int, on: date) -> None:
        """Let money be received on a day."""
        self._add([self._line(TxnKind.PAYMENT, AccountKind.UNALLOCATED, on, -minor)])

    def charge(self, on: date) -> int:
        """Let the case be charged for the first time; return minor units, 0 when it is charged."""
        if self._case.charges_from is not None or self._case.financials is None:
            return 0
        before = self.balance(on)
        self._case = replace(self._case, charges_from=on)
        self._add(self._lines(first_charges(self._read(on), on)))
        after = self.balance(on)
        return after.open.minor - before.open.minor

    def balance(self, day: date) -> Balance:
        """Return the balance at the end of a day."""
        if not self._added:
            return balance_of(self._case, day)
        facts = self._with([row for row in self._known() if not is_derived(row)])
        derived = self._lines(replay(facts))
        return balance_of(self._with([*facts.lines, *derived], day), day)

    def _known(self) -> list[Line]:
        return [*self._case.lines, *self._added]

    def _read(self, day: date) -> CaseClaims:
        return self._with(self._known(), day)

    def _with(self, lines: Sequence[Line], as_of: date = date.max) -> CaseClaims:
        claims = {
            key: replace(one, changes=[], posted=[]) for key, one in self._case.claims.items()
        }
        fresh = replace(self._case, claims=claims, lines=[], stretch_from=FIRST_STEP)
        gather([row for row in lines if row.effective_on <= as_of], {fresh.id: fresh})
        return fresh

    def _add(self, lines: Sequence[Line]) -> None:
        self._added += lines

    def _line(
        self, kind: TxnKind, account: AccountKind, on: date, minor: int, **more: object
    ) -> Line:
        given = {"invoice_id": None, "line": 1, "reverses_id": None, "rule": "imagined", **more}
        txn = _NEW + len(self._added)
        return Line(
            **{"txn_id": txn, **given},  # type: ignore[arg-type]  # the fields of a line by name
            case_id=self._case.id,
            kind=kind,
            account=account,
            effective_on=on,
            amount=minor,
        )

    def _lines(self, postings: Sequence[Posting]) -> list[Line]:
        """Return the lines of postings on the claim account."""
        first = _NEW + len(self._added) + 1
        return [
            self._line(
                TxnKind(posting.kind),
                AccountKind(account.kind),
                posting.effective_on,
                minor,
                txn_id=txn,
                line=number,
                invoice_id=account.invoice_id,
                rule=posting.rule,
            )
            for txn, posting in enumerate(postings, first)
            for number, (account, minor) in enumerate(posting.lines, 1)
            if account.case_id == self._case.id and account.kind != AccountKind.CLAIM_CONTRA
        ]
