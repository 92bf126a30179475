"""What people do with workflows and their runs: write, publish, move, pause, stop, mend."""

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry import UNSET

from finview.accounts.access import Action, find, may
from finview.api.common import KEY, VERSION, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import JSON
from finview.api.enums import WorkflowKind
from finview.api.jobs import Job, JobPayload
from finview.api.workflows import Workflow, WorkflowRun, run_type, shown
from finview.customers.models import Customer as CustomerRow
from finview.db.jobs import Job as JobRow
from finview.db.versions import advance
from finview.plugins.manager import Plugins
from finview.workflows import definitions, operate
from finview.workflows.migrate import migrate
from finview.workflows.models import Run
from finview.workflows.models import Workflow as WorkflowRow

GRAPH = "`start` names a node; each of `nodes` has id, type, config, ports, maxVisits, meta."


@strawberry.input(description="A workflow to create.")
class WorkflowCreateInput:
    """A workflow to create."""

    name: str = f(description="Its name, at most 200 characters.")
    kind: WorkflowKind = f(description="What it is for; it stays so.")
    customer_id: strawberry.ID | None = f(
        default=None, description="Whose it is; null: the agency's, for every customer."
    )
    graph: JSON = f(description=GRAPH)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="What to change of a workflow; what is left out stays.")
class WorkflowUpdateInput:
    """What to change of a workflow."""

    name: str | None = f(default=UNSET, description="Its name, at most 200 characters.")
    graph: JSON | None = f(default=UNSET, description=f"The draft's. {GRAPH}")
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.input(description="Runs to move to the published version of their workflow.")
class WorkflowMigrateInput:
    """Runs to move."""

    workflow_id: strawberry.ID = f(description="The workflow.")
    from_version: int = f(description="The version they run now.")
    nodes: JSON = f(
        description="Old names of nodes and new ones; what both versions have needs no entry. Runs "
        "in a node that is gone and has no entry stay."
    )
    dry_run: bool = f(default=True, description="Only count, into `Job.result`.")


@strawberry.type(description="The answer of a mutation of a run.")
class WorkflowRunPayload:
    """The answer of a mutation."""

    run: WorkflowRun | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of a workflow.")
class WorkflowPayload:
    """The answer of a mutation."""

    workflow: Workflow | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _operate(
    ctx: Context, run_id: strawberry.ID, name: str, verb: Callable[[int], Run]
) -> WorkflowRunPayload:
    """Run a verb on a visible run."""

    def act() -> WorkflowRun:
        row = find(ctx.session, Run, key_of(run_id, "run", "id"), ctx.who)
        may(ctx.who, Action.WORK_CASES)
        return run_type(verb(row.id))

    return mutate(ctx, WorkflowRunPayload, "run", act, name=name, about=run_id)


def _now(ctx: Context, row: WorkflowRow) -> Workflow:
    return shown(ctx, [row])[row.id]


@strawberry.type
class WorkflowMutation:
    """What people do with workflows."""

    @strawberry.mutation(description="Create a workflow; its graph is a draft until published.")
    def workflow_create(self, info: Info, input: WorkflowCreateInput) -> WorkflowPayload:  # noqa: A002  # the contract's word
        """Create a workflow."""
        ctx = info.context

        def act() -> Workflow:
            customer_id = None
            if input.customer_id is not None:
                key = key_of(input.customer_id, "cus", "input", "customerId")
                customer_id = find(ctx.session, CustomerRow, key, ctx.who).id
            may(ctx.who, Action.SET_UP)
            made = definitions.create(
                ctx.session,
                name=input.name,
                kind=input.kind,
                graph=input.graph,
                customer_id=customer_id,
                by=ctx.who.user_id,
            )
            return _now(ctx, made)

        return mutate(
            ctx,
            WorkflowPayload,
            "workflow",
            act,
            name="workflowCreate",
            given=input,
            again=lambda i: _now(ctx, ctx.session.get_one(WorkflowRow, key_of(i, "wf"))),
        )

    @strawberry.mutation(
        description="Save the draft; problems come back in `Workflow.problems` and refuse nothing."
    )
    def workflow_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: WorkflowUpdateInput,  # noqa: A002  # the contract's word
    ) -> WorkflowPayload:
        """Change a workflow."""
        ctx = info.context

        def act() -> Workflow:
            row = find(ctx.session, WorkflowRow, key_of(id, "wf", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row, input.lock_version)
            given: dict[str, Any] = {"name": input.name, "graph": input.graph}
            changes = {name: value for name, value in given.items() if value is not UNSET}
            definitions.revise(ctx.session, row, changes=changes, by=ctx.who.user_id)
            return _now(ctx, row)

        name = "workflowUpdate"
        return mutate(ctx, WorkflowPayload, "workflow", act, name=name, given=input, about=id)

    @strawberry.mutation(
        description="Publish the draft for good: new runs begin with it, those that run go on as "
        "they are. Each problem of the graph is an error, and then nothing changes."
    )
    def workflow_publish(self, info: Info, id: strawberry.ID) -> WorkflowPayload:  # noqa: A002  # the contract's word
        """Publish a workflow's draft."""
        ctx = info.context

        def act() -> Workflow:
            row = find(ctx.session, WorkflowRow, key_of(id, "wf", "id"), ctx.who)
            may(ctx.who, Action.SET_UP)
            advance(ctx.session, row)
            plugins = ctx.services.get(Plugins)
            definitions.publish_draft(ctx.session, plugins, row, by=ctx.who.user_id)
            return _now(ctx, row)

        return mutate(ctx, WorkflowPayload, "workflow", act, name="workflowPublish", about=id)

    @strawberry.mutation(
        description="Move the open runs of an earlier version to the published one, as a job."
    )
    def workflow_migrate(self, info: Info, input: WorkflowMigrateInput) -> JobPayload:  # noqa: A002  # the contract's word
        """Move runs."""
        ctx = info.context

        def act() -> Job:
            key = key_of(input.workflow_id, "wf", "input", "workflowId")
            row = find(ctx.session, WorkflowRow, key, ctx.who)
            may(ctx.who, Action.SET_UP)
            job_id = migrate(
                ctx.session,
                row,
                from_version=input.from_version,
                nodes=input.nodes,
                dry_run=input.dry_run,
                by=ctx.who.user_id,
            )
            return Job.of(ctx.session.get_one(JobRow, job_id))

        return mutate(ctx, JobPayload, "job", act, name="workflowMigrate", given=input)

    @strawberry.mutation(
        description="Pause a run: what it has not begun to send is held, and it hears nothing."
    )
    def workflow_run_pause(self, info: Info, id: strawberry.ID) -> WorkflowRunPayload:  # noqa: A002  # the contract's word
        """Pause a run."""
        ctx = info.context
        return _operate(
            ctx,
            id,
            "workflowRunPause",
            lambda key: operate.pause(ctx.session, key, by=ctx.who.user_id),
        )

    @strawberry.mutation(
        description="Let a paused run go on where it was; what happened meanwhile it hears now."
    )
    def workflow_run_resume(self, info: Info, id: strawberry.ID) -> WorkflowRunPayload:  # noqa: A002  # the contract's word
        """Let a run go on."""
        ctx = info.context
        return _operate(
            ctx,
            id,
            "workflowRunResume",
            lambda key: operate.resume(ctx.session, key, by=ctx.who.user_id),
        )

    @strawberry.mutation(
        description="Stop a run for good: what it has not sent is cancelled, calls and tasks are "
        "withdrawn."
    )
    def workflow_run_stop(self, info: Info, id: strawberry.ID, reason: str) -> WorkflowRunPayload:  # noqa: A002  # the contract's word
        """Stop a run."""
        ctx = info.context
        return _operate(
            ctx,
            id,
            "workflowRunStop",
            lambda key: operate.stop(ctx.session, key, reason, by=ctx.who.user_id),
        )

    @strawberry.mutation(
        description="Mend an incident: null tries the node again, a port name leaves by that port."
    )
    def workflow_run_retry(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        port: str | None = None,
    ) -> WorkflowRunPayload:
        """Mend an incident."""
        ctx = info.context
        return _operate(
            ctx,
            id,
            "workflowRunRetry",
            lambda key: operate.retry(ctx.session, key, port, by=ctx.who.user_id),
        )
