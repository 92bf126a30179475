"""What arguments and enum values mean, in one place: put into the schema when it is built."""

from collections.abc import Mapping

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
)

from finview.errors import CODES

# By name; where a word means something else at one field, by "Type.field(argument)".
ARGUMENTS: Mapping[str, str] = {
    "after": "The cursor of the last object seen: the page begins behind it.",
    "asOf": "The day to look at; today when left out.",
    "before": "The cursor of the first object seen: the page ends before it.",
    "caseId": "The case.",
    "customerId": "Only what serves this customer.",
    "debtorKind": "For files of consumers or of businesses.",
    "first": "How many objects at most, from 1 to 200.",
    "id": "The id of the object.",
    "idempotencyKey": "The same key with the same arguments has one effect and one answer.",
    "input": "What is wanted.",
    "last": "How many objects at most, counted from the end.",
    "number": "The reference number that people read out on the phone, instead of an id.",
    "Mutation.outboundHoldCreate(channel)": "This channel alone; null: every one.",
    "Mutation.outboundHoldCreate(scopeId)": "A business unit, customer, portfolio, bucket or workflow.",
    "Query.outboundHolds(running)": "True: those that run; false: those that have ended.",
    "Mutation.workflowRunRetry(port)": "A port of the node it stands in; null: the node again.",
    "Mutation.taskComplete(outcome)": "One of the outcomes of the task.",
    "orderBy": "The order, most important first; ties are settled by the id.",
    "password": "The new password: 12 to 200 characters.",
    "reason": "Why; kept on the timeline, at most 500 characters.",
    "token": "The secret of the link that was sent.",
    "where": "Only objects for which this holds.",
    "Mutation.invitationAccept(locale)": "The language the person wants; as invited when left out.",
    "Mutation.passwordResetRequest(email)": "The address somebody signs in with.",
    "Mutation.sessionEnd(id)": "The session to end; null: every one of the viewer.",
    "Query.node(id)": "The id of any object.",
    "Subscription.jobUpdated(id)": "The id of the job to follow.",
    "Subscription.importUpdated(id)": "The id of the import to follow.",
}

VALUES: Mapping[str, Mapping[str, str]] = {
    "AllocationOrder": {
        "DE_367": "Costs, then interest, then principal (§ 367(1) BGB).",
        "DE_497": "Costs, then principal, then interest: consumer loans (§ 497(3) BGB).",
        "PRINCIPAL_FIRST": "Principal, then costs, then interest.",
    },
    "ChargeKind": {"COSTS": "Collection costs.", "INTEREST": "Interest."},
    "CostKind": {
        "NONE": "No costs.",
        "FIXED": "A fixed amount.",
        "PERCENT": "A percentage of the open principal, within limits.",
        "TIERED": "By the size of the open principal.",
        "STATUTORY": "By the table of the law pack.",
    },
    "DayCount": {
        "ACT_365": "Actual days over 365, also in leap years.",
        "ACT_ACT": "Actual days over the days of their year.",
        "ACT_360": "Actual days over 360.",
        "THIRTY_E_360": "Months of 30 days over 360.",
    },
    "InterestKind": {
        "NONE": "No interest.",
        "FIXED": "A fixed rate a year.",
        "BASE_PLUS": "The base rate of the law pack and some points; floats.",
        "STATUTORY": "What the law gives against this debtor.",
    },
    "InterestStart": {
        "INVOICE_DATE": "The date of the invoice.",
        "DUE_DATE": "The due date, else 30 days after the invoice.",
        "DEFAULT": "The default by the law pack, with its working days.",
    },
    "BankLineState": {
        "BOOKED": "A payment of a case, or the reversal of one.",
        "SUSPENSE": "Waits until somebody assigns it to a case.",
        "IGNORED": "Money that went out, or no amount: nothing is booked.",
    },
    "PaymentPlanState": {
        "ACTIVE": "It runs.",
        "KEPT": "Every instalment was paid.",
        "BROKEN": "An instalment was not paid in time.",
        "CANCELLED": "It was ended or replaced.",
    },
    "SettlementState": {
        "OPEN": "It may still be kept.",
        "KEPT": "The amount came in time.",
        "LAPSED": "It didn't; the full claim stands.",
        "CANCELLED": "It was ended or replaced.",
    },
    "TierMode": {
        "BRACKET": "The whole claim takes its tier, upper end included.",
        "SLICE": "Each slice of the claim takes its own tier.",
    },
    "VatOnCosts": {
        "NEVER": "No VAT is charged.",
        "IF_NOT_DEDUCTIBLE": "VAT is charged if the client can't deduct it.",
    },
    "BreathingSpaceInterest": {
        "DEFERRED": "It accrues, and is charged when the breathing space ends.",
        "WAIVED": "None is ever charged for its days.",
        "FROM_END": "Interest begins when it ends.",
    },
    "CaseOrderField": {
        "OPENED_AT": "When the case was opened.",
        "NUMBER": "The case number.",
        "STATUS": "The status, in the order of its names.",
    },
    "CaseStatus": {
        "NEW": "Created; no workflow has begun.",
        "BREATHING_SPACE": "The debtor is left time before costs and interest are charged.",
        "ACTIVE": "A workflow collects the claim.",
        "PAYMENT_PLAN": "The debtor pays in instalments.",
        "SETTLEMENT": "A smaller sum was agreed on and is awaited.",
        "ON_HOLD": "Nothing happens until somebody goes on.",
        "DISPUTED": "The debtor objects; nothing happens until that is settled.",
        "CLOSED": "At its end; `closeReason` says why.",
    },
    "CloseReason": {
        "PAID_IN_FULL": "Everything was paid.",
        "PAID_IN_SETTLEMENT": "The agreed smaller sum was paid.",
        "WRITTEN_OFF": "The rest is given up.",
        "WITHDRAWN": "The customer took the case back.",
    },
    "ContactPointState": {
        "NOT_CONFIRMED": "As it was given; nobody has tried it.",
        "VALID": "It has the right form and can be reached.",
        "CONFIRMED": "The debtor has answered there.",
        "INVALID": "It does not exist.",
        "NON_RESPONSIVE": "It exists, but nobody answers.",
    },
    "CallResult": {
        "REACHED": "The debtor answered.",
        "NOT_REACHED": "Nobody answered.",
        "WRONG_NUMBER": "It is not the debtor's number; it is not called again.",
        "CALL_BACK": "The debtor wants to be called later.",
        "PROMISE": "The debtor promised to pay.",
        "TECHNICAL": "It did not take place, so it counts as none; only a call centre says so.",
    },
    "Channel": {
        "EMAIL": "An e-mail.",
        "LETTER": "A letter.",
        "SMS": "A text message.",
        "CALL": "A phone call.",
    },
    "ContactOutcome": {
        "ALLOW": "It may go now.",
        "DELAY": "Not before its time, or not until something changes.",
        "DENY": "Not by this channel, or not any more.",
    },
    "HoldReason": {
        "ON_HOLD": "By decision of the agency.",
        "INVESTIGATION": "Facts are being clarified.",
        "DISPUTE": "The debtor objects to the claim.",
        "MORATORIUM": "A statutory moratorium: no contact, no charges, no interest.",
        "DEBT_ADVICE": "A debt adviser acts for the debtor.",
    },
    "DebtorKind": {"CONSUMER": "A person.", "BUSINESS": "A company."},
    "ImportFixKind": {
        "REPLACE": "Put `to` where the field has `from`; without `from`, where it is empty.",
        "SETTLE": "Answer one question for all rows, such as the order of day and month.",
        "SKIP": "Leave the rows out.",
    },
    "ImportSection": {
        "READY": "Nothing stands in the way.",
        "NEEDS_CLEANSING": "Can be imported, but should be looked at.",
        "FAULTY": "Can't be imported before it is mended.",
        "SKIPPED": "Left out by a person.",
    },
    "EnrichmentState": {
        "PLANNED": "It is due at its time.",
        "QUEUED": "It is due, and the provider is asked for its price first.",
        "SENDING": "The provider is asked.",
        "PENDING": "The provider answers later.",
        "FOUND": "Something was found, new or known.",
        "NOT_FOUND": "Nothing was found.",
        "REFUSED": "The provider does not look for this person.",
        "FAILED": "It was not made and cost nothing.",
        "UNKNOWN": "Nobody can tell whether it was made and charged: a person has to ask.",
        "SKIPPED": "It was left out without cost.",
    },
    "ImportState": {
        "READING": "The file is being read.",
        "MAPPING": "A column is not clear: the mapping waits for a person.",
        "REVIEW": "Rows can be looked at and mended.",
        "MATCHING": "Debtors are being compared, then records made.",
        "CREATED": "Debtors, cases and invoices exist.",
        "LINKED": "Linked to a bucket: its financial components are fixed.",
        "LAUNCHED": "The workflows run; from now on nothing can be reverted.",
        "REVERTED": "Everything it made was deleted, everything it changed was restored.",
        "FAILED": "It could not go on; `failure` says why.",
    },
    "InvitationState": {
        "PENDING": "It will be sent.",
        "SENT": "It was handed to the mail server.",
        "ACCEPTED": "The person has signed in.",
        "EXPIRED": "Its time is over.",
        "FAILED": "It could not be sent.",
    },
    "JobState": {
        "READY": "It waits for its turn, its time, or for somebody.",
        "RUNNING": "It is being done.",
        "DONE": "It has ended well.",
        "FAILED": "It was given up; `error` says why.",
        "CANCELLED": "It was stopped by a person.",
    },
    "MatchDecision": {
        "CREATE_NEW": "This is somebody new.",
        "UPDATE_EXISTING": "This is the known debtor named with it.",
    },
    "MatchOutcome": {
        "NEW": "Nobody like this is known.",
        "MATCHED": "A known debtor.",
        "REVIEW": "Doubtful: a person decides.",
    },
    "OrderDirection": {"ASC": "Smallest first.", "DESC": "Largest first."},
    "PlanInterest": {
        "CLOSING": "It goes on and is asked for after the last instalment.",
        "WAIVED": "None, if the plan is kept.",
    },
    "Role": {
        "ADMIN": "Of the agency: may do everything.",
        "OPERATOR": "Of the agency: sets up customers, imports, works cases.",
        "CUSTOMER_USER": "Of a customer: sees what belongs to it.",
    },
    "SettingSource": {
        "SYSTEM": "The default of the installation.",
        "BUSINESS_UNIT": "Set at the business unit.",
        "CUSTOMER": "Set at the customer.",
        "BUCKET": "Set at the bucket.",
    },
    "UserErrorCode": CODES,
    "ValueSource": {
        "FILE": "As it stands in the file.",
        "AUTO_FIX": "Mended by a rule.",
        "USER": "Typed by a person.",
    },
    "WorkflowState": {
        "DRAFT": "It was never published.",
        "PUBLISHED": "New runs begin with its published version.",
        "RETIRED": "No run begins with it any more.",
    },
    "WorkflowKind": {
        "BREATHING_SPACE": "Runs before the main workflow.",
        "MAIN": "Collects the claim.",
        "PAYMENT_PLAN": "Watches over instalments.",
        "ON_HOLD": "Runs while a case rests.",
        "RETRY": "Tries again what failed.",
    },
}


def describe(schema: GraphQLSchema) -> None:
    """Describe every argument and enum value that has no words of its own."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLEnumType):
            for name, value in kind.values.items():
                value.description = value.description or VALUES.get(kind.name, {}).get(name)
        elif isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for field, definition in kind.fields.items():
                for name, argument in definition.args.items():
                    _describe(argument, f"{kind.name}.{field}({name})", name)


def _describe(argument: GraphQLArgument, place: str, name: str) -> None:
    words = ARGUMENTS.get(place) or ARGUMENTS.get(name)
    argument.description = argument.description or words
