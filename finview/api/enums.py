"""The rooms' enums that the schema shows: marked here, once, before any type refers to them."""

import strawberry

from finview.accounts.access import Role
from finview.accounts.invitations import InvitationState
from finview.cases.hold_models import HoldReason
from finview.cases.models import CaseStatus, CloseReason, DebtorKind
from finview.cases.models import PointState as ContactPointState
from finview.communications.models import Channel
from finview.communications.policy_models import ContactOutcome
from finview.enrichment.models import AttemptState as EnrichmentState
from finview.imports.models import ImportState, MatchOutcome
from finview.imports.models import Section as ImportSection
from finview.plugins.contracts.call_centre import CallResult
from finview.workflows.models import VersionStatus as WorkflowState
from finview.workflows.models import WorkflowKind

strawberry.enum(Role, description="What a user is to the agency.")
strawberry.enum(InvitationState, description="How far an invitation has come.")
strawberry.enum(DebtorKind, description="Who owes: the two never merge.")
strawberry.enum(
    ContactPointState, name="ContactPointState", description="What is known of a contact point."
)
strawberry.enum(CallResult, description="What a call came to.")
strawberry.enum(Channel, description="How a debtor is contacted.")
strawberry.enum(ContactOutcome, description="What the contact policy says of a contact.")
strawberry.enum(HoldReason, description="Why a case rests.")
strawberry.enum(CaseStatus, description="Where a case stands.")
strawberry.enum(CloseReason, description="Why a case was closed.")
strawberry.enum(
    EnrichmentState, name="EnrichmentState", description="How far an attempt to trace has come."
)
strawberry.enum(ImportState, description="Where an import stands.")
strawberry.enum(ImportSection, name="ImportSection", description="The sections of the review.")
strawberry.enum(MatchOutcome, description="What matching made of a debtor.")
strawberry.enum(WorkflowKind, description="What a workflow is for.")
strawberry.enum(WorkflowState, name="WorkflowState", description="Whether it was published.")

__all__ = [
    "CallResult",
    "CaseStatus",
    "Channel",
    "CloseReason",
    "ContactOutcome",
    "ContactPointState",
    "DebtorKind",
    "EnrichmentState",
    "HoldReason",
    "ImportSection",
    "ImportState",
    "InvitationState",
    "MatchOutcome",
    "Role",
    "WorkflowKind",
    "WorkflowState",
]
