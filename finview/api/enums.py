"""The rooms' enums that the schema shows: marked here, once, before any type refers to them."""

import strawberry

from finview.accounts.access import Role
from finview.accounts.invitations import InvitationState
from finview.cases.models import CaseStatus, CloseReason, DebtorKind
from finview.cases.models import PointState as ContactPointState
from finview.imports.models import ImportState, MatchOutcome
from finview.imports.models import Section as ImportSection
from finview.workflows.models import WorkflowKind

strawberry.enum(Role, description="What a user is to the agency.")
strawberry.enum(InvitationState, description="How far an invitation has come.")
strawberry.enum(DebtorKind, description="Who owes: the two never merge.")
strawberry.enum(
    ContactPointState, name="ContactPointState", description="What is known of a contact point."
)
strawberry.enum(CaseStatus, description="Where a case stands.")
strawberry.enum(CloseReason, description="Why a case was closed.")
strawberry.enum(ImportState, description="Where an import stands.")
strawberry.enum(ImportSection, name="ImportSection", description="The sections of the review.")
strawberry.enum(MatchOutcome, description="What matching made of a debtor.")
strawberry.enum(WorkflowKind, description="What a workflow is for.")

__all__ = [
    "CaseStatus",
    "CloseReason",
    "ContactPointState",
    "DebtorKind",
    "ImportSection",
    "ImportState",
    "InvitationState",
    "MatchOutcome",
    "Role",
    "WorkflowKind",
]
