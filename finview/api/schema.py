"""The schema: every noun put together, and printed."""

from collections.abc import Callable
from functools import cache
from typing import Any

import strawberry
from graphql import lexicographic_sort_schema, print_schema
from strawberry.schema.config import StrawberryConfig

from finview.accounts.access import find
from finview.api import accounts as account_types
from finview.api import audit as audit_types
from finview.api import bank as bank_types
from finview.api import calls as call_types
from finview.api import (
    case_actions,
    case_search,
    contact_mutations,
    contact_policy,
    customer_mutations,
    portfolio_mutations,
)
from finview.api import cases as case_types
from finview.api import claims as claim_types
from finview.api import client_statements as statement_types
from finview.api import components as component_types
from finview.api import contact as hold_types
from finview.api import contacts as contact_types
from finview.api import customers as customer_types
from finview.api import debtors as debtor_types
from finview.api import jobs as job_types
from finview.api import payments as payment_types
from finview.api import people as people_types
from finview.api import plugins as plugin_types
from finview.api import sign_in as sign_in_types
from finview.api import simulation as simulation_types
from finview.api import tasks as task_types
from finview.api import units as unit_types
from finview.api import workflow_mutations as workflow_steps
from finview.api import workflows as workflow_types
from finview.api.common import Node
from finview.api.descriptions import describe
from finview.api.engine.context import Context, Info, Missing
from finview.api.engine.ids import split
from finview.api.engine.scalars import SCALARS
from finview.api.imports import mutations as import_steps
from finview.api.imports import types as import_types
from finview.cases.client_models import ClientStatement as ClientStatementRow
from finview.cases.ledger_models import LedgerTxn
from finview.cases.models import Case, Debtor, Invoice, PaymentPlan
from finview.cases.payments import payments_of
from finview.cases.plans import plan_of
from finview.cases.task_models import Task as TaskRow
from finview.communications.policy_models import OutboundHold as OutboundHoldRow
from finview.customers.models import Bucket, BusinessUnit, Customer, CustomerContact, Portfolio
from finview.errors import NotFound
from finview.imports import models as import_models
from finview.imports.bank_models import BankLine as BankLineRow
from finview.workflows.models import Run


def _row(model: Any, of: Callable[[Any], Node]) -> Callable[[Context, tuple[int, ...]], Node]:
    return lambda ctx, key: of(find(ctx.session, model, key[0], ctx.who))


def _upload(ctx: Context, key: tuple[int, ...]) -> Node:
    found = ctx.session.get(import_models.Upload, key[0])
    if found is None or found.user_id != ctx.who.user_id:
        raise NotFound
    return import_types.Upload.of(found)


def _import_row(ctx: Context, key: tuple[int, ...]) -> Node:
    find(ctx.session, import_models.Import, key[0], ctx.who)
    found = ctx.session.get(import_models.ImportRow, key) if len(key) == 2 else None
    if found is None:
        raise NotFound
    return import_types.ImportRow.of(found)


def _job(ctx: Context, key: tuple[int, ...]) -> Node:
    found = job_types.job_of(ctx, key[0])
    if found is None:
        raise NotFound
    return found


def _workflow(ctx: Context, key: tuple[int, ...]) -> Node:
    found = workflow_types.workflow_of(ctx, key[0])
    if found is None:
        raise NotFound
    return found


def _task(ctx: Context, key: tuple[int, ...]) -> Node:
    return task_types.Task.of(find(ctx.session, TaskRow, key[0], ctx.who), ctx.locale)


def _payment(ctx: Context, key: tuple[int, ...]) -> Node:
    txn = ctx.session.get(LedgerTxn, key[0])
    found = find(ctx.session, Case, txn.case_id if txn else None, ctx.who)
    for payment in payments_of(ctx.session, [found.id])[found.id]:
        if payment.id == key[0]:
            return claim_types.Payment.of(payment)
    raise NotFound


def _plan(ctx: Context, key: tuple[int, ...]) -> Node:
    row = find(ctx.session, PaymentPlan, key[0], ctx.who)
    return claim_types.PaymentPlan.of(plan_of(ctx.session, row))


NODES: dict[str, Callable[[Context, tuple[int, ...]], Node]] = {
    "usr": account_types.user_node,
    "ses": account_types.session_node,
    "tok": account_types.token_node,
    "upl": _upload,
    "row": _import_row,
    "job": _job,
    "wf": _workflow,
    "bu": _row(BusinessUnit, unit_types.BusinessUnit.of),
    "cus": _row(Customer, customer_types.Customer.of),
    "ctc": _row(CustomerContact, contact_types.Contact.of),
    "pf": _row(Portfolio, customer_types.Portfolio.of),
    "bkt": _row(Bucket, customer_types.Bucket.of),
    "imp": _row(import_models.Import, import_types.Import.of),
    "dbt": _row(Debtor, case_types.Debtor.of),
    "cas": _row(Case, case_types.Case.of),
    "inv": _row(Invoice, claim_types.Invoice.of),
    "bln": _row(BankLineRow, bank_types.BankLine.of),
    "cst": _row(ClientStatementRow, statement_types.ClientStatement.of),
    "run": _row(Run, workflow_types.run_type),
    "ohd": _row(OutboundHoldRow, hold_types.OutboundHold.of),
    "tsk": _task,
    "pay": _payment,
    "pln": _plan,
    "aud": audit_types.audit_event,
}


def node(info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002  # the contract's word
    """Return any visible object by its id."""
    tag, key = split(id)
    if tag not in NODES:
        return None
    try:
        return NODES[tag](info.context, key)
    except NotFound:
        return None


def business_unit(info: Info, id: strawberry.ID) -> unit_types.BusinessUnit | None:  # noqa: A002  # the contract's word
    """Return one visible business unit."""
    found = node(info, id)
    return found if isinstance(found, unit_types.BusinessUnit) else None


def customer(info: Info, id: strawberry.ID) -> customer_types.Customer | None:  # noqa: A002  # the contract's word
    """Return one visible customer."""
    found = node(info, id)
    return found if isinstance(found, customer_types.Customer) else None


def import_(info: Info, id: strawberry.ID) -> import_types.Import | None:  # noqa: A002  # the contract's word
    """Return one visible import."""
    found = node(info, id)
    return found if isinstance(found, import_types.Import) else None


def job(info: Info, id: strawberry.ID) -> job_types.Job | None:  # noqa: A002  # the contract's word
    """Return one visible job."""
    found = node(info, id)
    return found if isinstance(found, job_types.Job) else None


def _signed_in(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a resolver to those who are not signed in."""
    from functools import wraps

    @wraps(resolver)
    def guarded(info: Info, *args: Any, **kwargs: Any) -> Any:
        _ = info.context.who
        return resolver(info, *args, **kwargs)

    return guarded


def _field(resolver: Callable[..., Any], description: str, name: str | None = None) -> Any:
    return strawberry.field(resolver=_signed_in(resolver), description=description, name=name)


@strawberry.type(description="Everything that can be read.")
class Query:
    """Everything that can be read."""

    viewer: account_types.Viewer | None = strawberry.field(
        resolver=account_types.viewer, description="Who is signed in; null: nobody."
    )
    users: account_types.UserConnection = _field(
        account_types.users,
        "The users one may see, by name: the agency all, others who works for the same customers.",
    )
    invitation: sign_in_types.InvitationInfo | None = strawberry.field(
        resolver=sign_in_types.invitation,
        description="What an invitation's link tells, also to whoever is not signed in; null when "
        "it is unknown, used or expired.",
    )
    node: Node | None = _field(node, "Any visible object by its id.")
    business_units: unit_types.BusinessUnitConnection = _field(
        unit_types.business_units, "The business units, oldest first."
    )
    business_unit: unit_types.BusinessUnit | None = _field(
        business_unit, "One visible business unit."
    )
    customers: customer_types.CustomerConnection = _field(
        customer_types.customers, "The visible customers, oldest first."
    )
    customer: customer_types.Customer | None = _field(customer, "One visible customer.")
    debtors: case_types.DebtorConnection = _field(
        case_search.debtors, "The visible debtors, oldest first."
    )
    debtor: case_types.Debtor | None = _field(
        case_search.debtor, "One visible debtor, by id or number."
    )
    cases: case_types.CaseConnection = _field(case_search.cases, "The visible cases.")
    case: case_types.Case | None = _field(case_search.case, "One visible case, by id or number.")
    imports: import_steps.ImportConnection = _field(
        import_steps.imports, "The visible imports, newest first."
    )
    import_: import_types.Import | None = _field(import_, "One visible import.", "import")
    import_fields: list[import_types.ImportField] = _field(
        import_steps.import_fields, "The fields columns can be mapped to."
    )
    workflows: workflow_types.WorkflowConnection = _field(
        workflow_types.workflows, "The workflows; with a customer, those that serve it."
    )
    workflow: workflow_types.Workflow | None = _field(workflow_types.workflow, "One workflow.")
    workflow_runs: workflow_types.WorkflowRunConnection = _field(
        workflow_types.workflow_runs, "The visible runs, newest first."
    )
    outbound_holds: list[hold_types.OutboundHold] = _field(
        hold_types.outbound_holds, "The general stops, newest first; at most 200."
    )
    tasks: task_types.TaskConnection = _field(
        task_types.tasks, "The visible tasks, those due first first."
    )
    job: job_types.Job | None = _field(job, "One visible job.")
    jobs: job_types.JobConnection = _field(job_types.jobs, "The visible jobs, newest first.")
    bank_lines: bank_types.BankLineConnection = _field(
        bank_types.bank_lines, "The lines of the agency's bank accounts, newest first."
    )
    bucket_financials_preview: component_types.FinancialsPreview = _field(
        component_types.bucket_financials_preview, "What a bucket charges in an example."
    )
    workflow_simulate: simulation_types.WorkflowSimulation = _field(
        simulation_types.workflow_simulate,
        "What would happen to the case in the next days. Writes nothing.",
    )
    plugins: list[plugin_types.Plugin] = _field(plugin_types.plugins, "The installed plugins.")
    audit_events: audit_types.AuditEventConnection = _field(
        audit_types.audit_events, "Every recorded act, newest first; for administrators."
    )


@strawberry.type(description="Everything that can be changed.")
class Mutation(
    import_steps.ImportMutation,
    unit_types.BusinessUnitMutation,
    customer_mutations.CustomerMutation,
    portfolio_mutations.PortfolioMutation,
    contact_mutations.ContactMutation,
    payment_types.PaymentMutation,
    bank_types.BankMutation,
    case_actions.CaseActionMutation,
    call_types.CallMutation,
    contact_policy.ContactPolicyMutation,
    statement_types.ClientStatementMutation,
    debtor_types.DebtorMutation,
    plugin_types.PluginMutation,
    sign_in_types.SignInMutation,
    people_types.PeopleMutation,
    job_types.JobMutation,
    workflow_steps.WorkflowMutation,
):
    """Everything that can be changed."""


def job_updated(info: Info, id: strawberry.ID) -> job_types.Job:  # noqa: A002  # the contract's word
    """Return a job as it is now; a missing and a foreign one are the same error."""
    found = job(info, id)
    if found is None:
        raise Missing
    return found


def import_updated(info: Info, id: strawberry.ID) -> import_types.Import:  # noqa: A002  # the contract's word
    """Return an import as it is now; a missing and a foreign one are the same error."""
    found = import_(info, id)
    if found is None:
        raise Missing
    return found


@strawberry.type(
    description="What can be followed, over graphql-transport-ws or Server-Sent Events. The first "
    "answer comes at once, the latest state after each change, and the end with the last one."
)
class Subscription:
    """What can be followed: each field is read anew whenever its object has changed."""

    job_updated: job_types.Job = _field(job_updated, "A job, until it has ended.")
    import_updated: import_types.Import = _field(
        import_updated, "An import, until it was launched, reverted, or has failed."
    )


@cache
def build() -> strawberry.Schema:
    """Build the schema once, everything described."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[
            account_types.User,
            account_types.Session,
            account_types.ApiToken,
            unit_types.BusinessUnit,
            customer_types.Customer,
            customer_types.Portfolio,
            customer_types.Bucket,
            contact_types.Contact,
            import_types.Upload,
            import_types.Import,
            import_types.ImportRow,
            case_types.Debtor,
            case_types.Case,
            claim_types.Invoice,
            claim_types.Payment,
            claim_types.PaymentPlan,
            statement_types.ClientStatement,
            bank_types.BankLine,
            hold_types.OutboundHold,
            workflow_types.Workflow,
            workflow_types.WorkflowRun,
            task_types.Task,
            job_types.Job,
            audit_types.AuditEvent,
        ],
        config=StrawberryConfig(scalar_map=dict(SCALARS)),
    )
    describe(schema._schema)  # noqa: SLF001  # Strawberry has no public name for it
    return schema


def sdl() -> str:
    """Return the schema as text, sorted."""
    return print_schema(lexicographic_sort_schema(build()._schema)) + "\n"  # noqa: SLF001  # as above


__all__ = ["build", "sdl"]
