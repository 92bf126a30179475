"""The workflows every database is born with, and which version serves a case."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from finview.customers.models import Bucket
from finview.db.lists import one_of
from finview.errors import Invalid, NotFound
from finview.i18n import N_, sentences
from finview.plugins.manager import Plugins
from finview.workflows.graph import NodeType, check, read
from finview.workflows.models import VersionStatus, Workflow, WorkflowKind, WorkflowVersion

sentences({"WORKFLOW_KIND": N_("This is not a main workflow of this customer.")})

# Node types that wait at least an hour; a loop must contain one (checked at publishing).
_WAITING = {"wait", "wait_event", "phone_call", "manual_task"}

SHIPPED: Mapping[WorkflowKind, tuple[str, Mapping[str, Any]]] = {
    WorkflowKind.BREATHING_SPACE: (
        N_("Breathing space"),
        {
            "start": "notice",
            "nodes": [
                {
                    "id": "notice",
                    "type": "email",
                    "config": {"template": "breathing_space_notice"},
                    "ports": {"sent": "end", "no_address": "end", "failed": "end"},
                },
                {"id": "end", "type": "end"},
            ],
        },
    ),
    WorkflowKind.MAIN: (
        N_("Main workflow"),
        {
            "start": "first_demand",
            "nodes": [
                {
                    "id": "first_demand",
                    "type": "email",
                    "config": {"template": "first_demand"},
                    "ports": {
                        "sent": "two_weeks",
                        "no_address": "two_weeks",
                        "failed": "two_weeks",
                    },
                },
                {
                    "id": "two_weeks",
                    "type": "wait",
                    "config": {"days": 14},
                    "ports": {"done": "reminder"},
                },
                {
                    "id": "reminder",
                    "type": "email",
                    "config": {"template": "reminder"},
                    "ports": {"sent": "end", "no_address": "end", "failed": "end"},
                },
                {"id": "end", "type": "end"},
            ],
        },
    ),
}


def install(session: Session, plugins: Plugins) -> None:
    """Publish the shipped workflows where they are missing; doing so again changes nothing."""
    for kind, (name, graph) in SHIPPED.items():
        key = f"shipped.{kind.lower()}"
        if session.scalar(select(Workflow.id).where(Workflow.key == key)) is None:
            publish(session, plugins, key=key, name=name, kind=kind, graph=graph)


def publish(
    session: Session,
    plugins: Plugins,
    *,
    key: str,
    name: str,
    kind: WorkflowKind,
    graph: Mapping[str, Any],
    customer_id: int | None = None,
) -> WorkflowVersion:
    """Check a graph and publish it as the next version of a workflow; raises `Invalid`.

    Runs go on with the version they started with.
    """
    check(read(graph), node_types(plugins), kind)
    workflow = session.scalars(select(Workflow).where(Workflow.key == key)).one_or_none()
    if workflow is None:
        workflow = Workflow(key=key, name=name, kind=kind, customer_id=customer_id)
        session.add(workflow)
        session.flush()
    newest = select(func.max(WorkflowVersion.n)).where(WorkflowVersion.workflow_id == workflow.id)
    session.execute(
        update(WorkflowVersion)
        .where(
            WorkflowVersion.workflow_id == workflow.id,
            WorkflowVersion.status == VersionStatus.PUBLISHED,
        )
        .values(status=VersionStatus.RETIRED)
    )
    version = WorkflowVersion(
        workflow_id=workflow.id,
        n=(session.scalar(newest) or 0) + 1,
        graph=dict(graph),
        sha256=hashlib.sha256(orjson.dumps(graph, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        status=VersionStatus.PUBLISHED,
    )
    session.add(version)
    session.flush()
    return version


def node_types(plugins: Plugins) -> dict[str, NodeType]:
    """Return every node type that is loaded, as the check of a graph needs it."""
    found: dict[str, NodeType] = {}
    for name in plugins.providers("workflow_node"):
        provider = plugins.node(name)
        found[name] = NodeType(
            ports=tuple(provider.ports),
            problem=_problem_of(provider.Settings),
            waits=name in _WAITING,
        )
    return found


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


def check_choice(workflow: Workflow, *, customer_id: int) -> None:
    """Raise `Invalid` unless a bucket of this customer may choose the workflow."""
    if workflow.kind != WorkflowKind.MAIN or workflow.customer_id not in (None, customer_id):
        raise Invalid("WORKFLOW_KIND", path=("input", "workflowId"))


def _problem_of(settings: Any) -> Any:
    from pydantic import ValidationError

    def problem(config: Mapping[str, Any]) -> str | None:
        try:
            settings.model_validate(dict(config))
        except ValidationError as error:
            return str(error.errors(include_url=False)[0]["msg"])
        return None

    return problem
