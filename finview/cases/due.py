"""Whether a customer still has invoices that are due."""

from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from finview.cases.models import Case, CaseStatus, Invoice


def has_due_invoices(session: Session, customer_id: int, on: date) -> bool:
    """Tell whether a customer has an open case with an invoice that is due on a day.

    An invoice without a due date counts as due.
    """
    wanted = (
        select(Invoice.id)
        .join(Case, Case.id == Invoice.case_id)
        .where(
            Case.customer_id == customer_id,
            Case.status != CaseStatus.CLOSED,
            or_(Invoice.due_on.is_(None), Invoice.due_on <= on),
        )
        .limit(1)
    )
    return session.scalar(wanted) is not None
