"""Workflows as people make them: a draft that may change, and published versions that never do."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finview.db import audit
from finview.db.lists import one_of
from finview.errors import Invalid, Required, Several, State
from finview.i18n import N_, sentences
from finview.plugins.manager import Plugins
from finview.workflows.checks import problems
from finview.workflows.graph import kept
from finview.workflows.models import VersionStatus, Workflow, WorkflowKind, WorkflowVersion

sentences(
    {
        "WORKFLOW_NAME_REQUIRED": N_("A workflow needs a name."),
        "WORKFLOW_NAME_LONG": N_("The name of a workflow has at most {max} characters."),
        "WORKFLOW_NO_DRAFT": N_("There is no draft: everything is published."),
    }
)

NAME_CHARS_MAX = 200
S = VersionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What of a workflow's versions is shown: the published one, the draft, and the newest."""

    published: WorkflowVersion | None
    draft: WorkflowVersion | None
    newest: WorkflowVersion

    @property
    def status(self) -> VersionStatus:
        """Return where the workflow stands: published once, it stays so until it is retired."""
        return VersionStatus((self.published or self.newest).status)

    @property
    def shown(self) -> WorkflowVersion:
        """Return the published version; before the first publishing the draft."""
        return self.published or self.newest

    @property
    def checked(self) -> WorkflowVersion:
        """Return the version whose problems are told: the draft, else the published one."""
        return self.draft or self.shown


def create(
    session: Session,
    *,
    name: str,
    kind: WorkflowKind,
    graph: Any,
    customer_id: int | None,
    by: int | None,
) -> Workflow:
    """Create a workflow with its graph as a draft, of one customer or of the agency.

    Whatever the graph is, as long as it can be kept: its faults are told, and refuse publishing.
    Raises `Required`, `Invalid`.
    """
    stored = _stored(graph)
    workflow = Workflow(
        key=f"own.{uuid.uuid4()}", name=_name(name), kind=kind, customer_id=customer_id
    )
    session.add(workflow)
    session.flush()
    _add(session, workflow, stored, S.DRAFT)
    audit.record(
        session,
        "workflow.create",
        actor_id=by,
        subject=("workflow", workflow.id),
        after={"name": workflow.name},
        kind=str(kind),
    )
    return workflow


def revise(
    session: Session,
    workflow: Workflow,
    *,
    changes: Mapping[str, Any],
    by: int | None,
) -> Workflow:
    """Change a workflow's `name` and the `graph` of its draft, whichever `changes` has.

    The caller has taken the row's next version. After publishing the first change of the graph
    begins the next draft. Raises `Required`, `Invalid`.
    """
    before = {"name": workflow.name}
    if "name" in changes:
        workflow.name = _name(changes["name"] or "")
    changed: dict[str, Any] = {}
    if "graph" in changes:
        stored = _stored(changes["graph"])
        draft = versions_of(session, [workflow.id])[workflow.id].draft
        if draft is None:
            draft = _add(session, workflow, stored, S.DRAFT)
        draft.graph, draft.sha256 = stored, digest(stored)
        changed = {"version": draft.n, "sha256": draft.sha256}
    session.flush()
    audit.record(
        session,
        "workflow.update",
        actor_id=by,
        subject=("workflow", workflow.id),
        before=before,
        after={"name": workflow.name},
        **changed,
    )
    return workflow


def publish_draft(
    session: Session, plugins: Plugins, workflow: Workflow, *, by: int | None
) -> WorkflowVersion:
    """Publish the draft for good; the version before is retired, and its runs go on with it.

    The caller holds the workflow's row. Raises `State` (WORKFLOW_NO_DRAFT), and `Several` with every
    fault of the graph; then nothing changes.
    """
    draft = versions_of(session, [workflow.id])[workflow.id].draft
    if draft is None:
        raise State("WORKFLOW_NO_DRAFT", path=("id",))
    if faults := problems(draft.graph, WorkflowKind(workflow.kind), plugins):
        raise Several(faults)
    _retire(session, workflow)
    draft.status = S.PUBLISHED
    session.flush()
    audit.record(
        session,
        "workflow.publish",
        actor_id=by,
        subject=("workflow", workflow.id),
        version=draft.n,
        sha256=draft.sha256,
    )
    return draft


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
    """Publish a graph as the next version of the workflow called `key`; raises `Several`.

    For what ships with finview; people go by way of a draft.
    """
    stored = _stored(graph)
    if faults := problems(stored, kind, plugins):
        raise Several(faults)
    workflow = session.scalars(select(Workflow).where(Workflow.key == key)).one_or_none()
    if workflow is None:
        workflow = Workflow(key=key, name=name, kind=kind, customer_id=customer_id)
        session.add(workflow)
        session.flush()
    _retire(session, workflow)
    return _add(session, workflow, stored, S.PUBLISHED)


def versions_of(session: Session, workflow_ids: Sequence[int]) -> dict[int, Versions]:
    """Return the versions of workflows that are shown, with one statement."""
    newest = (
        select(func.max(WorkflowVersion.n))
        .where(WorkflowVersion.workflow_id == Workflow.id)
        .correlate(Workflow)
        .scalar_subquery()
    )
    rows = session.scalars(
        select(WorkflowVersion)
        .join(Workflow, Workflow.id == WorkflowVersion.workflow_id)
        .where(
            one_of(Workflow.id, list(workflow_ids)),
            (WorkflowVersion.status != S.RETIRED) | (WorkflowVersion.n == newest),
        )
        .order_by(WorkflowVersion.workflow_id, WorkflowVersion.n)
    ).all()
    found: dict[int, dict[str, WorkflowVersion]] = {}
    for row in rows:
        found.setdefault(row.workflow_id, {}).update({row.status: row, "newest": row})
    return {
        key: Versions(published=of.get(S.PUBLISHED), draft=of.get(S.DRAFT), newest=of["newest"])
        for key, of in found.items()
    }


def workflows_of(session: Session, version_ids: Sequence[int]) -> dict[int, Workflow]:
    """Return the workflow of each of these versions."""
    rows = session.execute(
        select(WorkflowVersion.id, Workflow)
        .join(Workflow, Workflow.id == WorkflowVersion.workflow_id)
        .where(one_of(WorkflowVersion.id, list(version_ids)))
    ).all()
    return {row.id: row.Workflow for row in rows}


def _stored(graph: Any) -> dict[str, Any]:
    try:
        return kept(graph)
    except Invalid as refused:
        refused.path = ("input", "graph")
        raise


def digest(graph: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a graph, however its keys are ordered."""
    return hashlib.sha256(orjson.dumps(graph, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _add(
    session: Session, workflow: Workflow, graph: dict[str, Any], status: VersionStatus
) -> WorkflowVersion:
    newest = select(func.max(WorkflowVersion.n)).where(WorkflowVersion.workflow_id == workflow.id)
    version = WorkflowVersion(
        workflow_id=workflow.id,
        n=(session.scalar(newest) or 0) + 1,
        graph=graph,
        sha256=digest(graph),
        status=status,
    )
    session.add(version)
    session.flush()
    return version


def _retire(session: Session, workflow: Workflow) -> None:
    session.execute(
        update(WorkflowVersion)
        .where(WorkflowVersion.workflow_id == workflow.id, WorkflowVersion.status == S.PUBLISHED)
        .values(status=S.RETIRED)
    )


def _name(given: str) -> str:
    name = given.strip()
    if not name:
        raise Required("WORKFLOW_NAME_REQUIRED", path=("input", "name"))
    if len(name) > NAME_CHARS_MAX or "\0" in name:
        raise Invalid("WORKFLOW_NAME_LONG", path=("input", "name"), max=NAME_CHARS_MAX)
    return name


__all__ = [
    "Versions",
    "create",
    "digest",
    "publish",
    "publish_draft",
    "revise",
    "versions_of",
    "workflows_of",
]
