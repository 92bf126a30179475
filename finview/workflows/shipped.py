"""The workflows every database is born with, and which version serves a case."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from finview.customers.models import Bucket
from finview.db.lists import one_of
from finview.errors import Invalid, NotFound
from finview.i18n import N_, sentences
from finview.plugins.manager import Plugins
from finview.workflows.definitions import digest, publish, versions_of
from finview.workflows.models import VersionStatus, Workflow, WorkflowKind, WorkflowVersion

sentences(
    {
        "WORKFLOW_KIND": N_("This is not a main workflow of this customer."),
        "WORKFLOW_UNPUBLISHED": N_("This workflow was never published."),
    }
)

_PORTS = ("sent", "bounced", "no_address", "not_allowed", "failed")
_BY_POST = ("sent", "returned", "no_address", "not_allowed", "failed")


def _email(name: str, template: str, then: str) -> Mapping[str, Any]:
    """Return a node that goes on the same way whatever became of its e-mail."""
    return {
        "id": name,
        "type": "email",
        "config": {"template": template},
        "ports": dict.fromkeys(_PORTS, then),
    }


def _demand(email: str, letter: str, *, then: str) -> list[Mapping[str, Any]]:
    """Return the first demand by e-mail, else by letter; who gets neither is not reminded of it."""
    return [
        {
            "id": email,
            "type": "email",
            "config": {"template": "first_demand"},
            "ports": {**dict.fromkeys(_PORTS, letter), "sent": then},
        },
        {
            "id": letter,
            "type": "letter",
            "config": {"template": "first_demand"},
            "ports": {**dict.fromkeys(_BY_POST, "end"), "sent": then},
        },
    ]


_NOTHING: Mapping[str, Any] = {"start": "end", "nodes": [{"id": "end", "type": "end"}]}

SHIPPED: Mapping[WorkflowKind, tuple[str, Mapping[str, Any]]] = {
    WorkflowKind.BREATHING_SPACE: (
        N_("Breathing space"),
        {
            "start": "notice",
            "nodes": [
                _email("notice", "breathing_space_notice", "end"),
                {"id": "end", "type": "end"},
            ],
        },
    ),
    WorkflowKind.MAIN: (
        N_("Main workflow"),
        {
            "start": "first_demand",
            "nodes": [
                *_demand("first_demand", "first_letter", then="two_weeks"),
                {
                    "id": "two_weeks",
                    "type": "wait",
                    "config": {"days": 14},
                    "ports": {"done": "reminder"},
                },
                _email("reminder", "reminder", "end"),
                {"id": "end", "type": "end"},
            ],
        },
    ),
    # The plan's own messages come by its instalments, and a hold is silence: their graphs may add.
    WorkflowKind.PAYMENT_PLAN: (N_("Payment plan"), _NOTHING),
    WorkflowKind.ON_HOLD: (N_("On hold"), _NOTHING),
    WorkflowKind.RETRY: (
        N_("Retry with new data"),
        {
            "start": "letter",
            "nodes": [
                # A letter first: it says that the address was traced, wherever it goes.
                {
                    "id": "letter",
                    "type": "letter",
                    "config": {"template": "first_demand"},
                    "ports": {**dict.fromkeys(_BY_POST, "email"), "sent": "two_weeks"},
                },
                {
                    "id": "email",
                    "type": "email",
                    "config": {"template": "first_demand", "bounce_hours": 24},
                    "ports": {**dict.fromkeys(_PORTS, "end"), "sent": "two_weeks"},
                },
                # What comes then, the main workflow knows: it goes on where it was.
                {
                    "id": "two_weeks",
                    "type": "wait",
                    "config": {"days": 14},
                    "ports": {"done": "end"},
                },
                {"id": "end", "type": "end"},
            ],
        },
    ),
}


def install(session: Session, plugins: Plugins) -> None:
    """Publish the shipped workflows where they are missing; doing so again changes nothing.

    One that nobody has ever edited follows what this release ships: its next runs do.
    """
    for kind, (name, graph) in SHIPPED.items():
        key = f"shipped.{kind.lower()}"
        found = session.execute(
            select(Workflow.lock_version, WorkflowVersion.sha256)
            .join(WorkflowVersion, WorkflowVersion.workflow_id == Workflow.id)
            .where(Workflow.key == key, WorkflowVersion.status == VersionStatus.PUBLISHED)
        ).one_or_none()
        if found is None or (found.lock_version == 1 and found.sha256 != digest(graph)):
            publish(session, plugins, key=key, name=name, kind=kind, graph=graph)


def version_for(
    session: Session, kind: WorkflowKind, customer_id: int, bucket_id: int | None
) -> int:
    """Return the published version that serves a case: its bucket's, its customer's, the shipped.

    Raises `NotFound` only when nothing of the kind was ever published.
    """
    named = None
    if kind == WorkflowKind.MAIN and bucket_id is not None:
        named = session.scalar(select(Bucket.workflow_id).where(Bucket.id == bucket_id))
    found = _published(session, kind, [customer_id])
    if not found:
        raise NotFound
    return int(_best(found, customer_id, named).id)


def mains_of(session: Session, bucket_ids: Sequence[int]) -> dict[int, Workflow]:
    """Return the main workflow of each bucket: its own, its customer's, the shipped one."""
    buckets = session.execute(
        select(Bucket.id, Bucket.customer_id, Bucket.workflow_id).where(
            one_of(Bucket.id, list(bucket_ids))
        )
    ).all()
    found = _published(session, WorkflowKind.MAIN, sorted({b.customer_id for b in buckets}))
    if not found:
        return {}
    chosen = {b.id: _best(found, b.customer_id, b.workflow_id).workflow_id for b in buckets}
    wanted = select(Workflow).where(one_of(Workflow.id, sorted(set(chosen.values()))))
    workflows = {row.id: row for row in session.scalars(wanted)}
    return {bucket: workflows[key] for bucket, key in chosen.items()}


def _published(session: Session, kind: WorkflowKind, customer_ids: Sequence[int]) -> Sequence[Any]:
    """Return the published versions of a kind that serve any of these customers."""
    return session.execute(
        select(WorkflowVersion.id, Workflow.id.label("workflow_id"), Workflow.customer_id)
        .join(Workflow, Workflow.id == WorkflowVersion.workflow_id)
        .where(
            WorkflowVersion.status == VersionStatus.PUBLISHED,
            Workflow.kind == kind,
            or_(one_of(Workflow.customer_id, customer_ids), Workflow.customer_id.is_(None)),
        )
    ).all()


def _best(found: Sequence[Any], customer_id: int, named: int | None) -> Any:
    # The bucket's own choice first, then the customer's newest, then the agency's.
    return max(
        (row for row in found if row.customer_id in (None, customer_id)),
        key=lambda row: (row.workflow_id == named, row.customer_id is not None, row.id),
    )


def check_choice(session: Session, workflow: Workflow, *, customer_id: int) -> None:
    """Raise `Invalid` unless a bucket of this customer may choose the workflow, and it can run."""
    if workflow.kind != WorkflowKind.MAIN or workflow.customer_id not in (None, customer_id):
        raise Invalid("WORKFLOW_KIND", path=("input", "workflowId"))
    if versions_of(session, [workflow.id])[workflow.id].published is None:
        raise Invalid("WORKFLOW_UNPUBLISHED", path=("input", "workflowId"))
