"""The node that chooses a way by what is known of the case."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from finview.plugins.contracts.node import CaseView, Go, Step, WorkflowNode
from finview.workflows.facts import FACTS, Operator, holds, parsed
from finview.workflows.forms import Form, PortName

CASES_MAX = 20
ELSE = "else"


class Check(Form):
    """One comparison: a declared fact, an operator, and a value of the fact's type."""

    field: str = Field(json_schema_extra={"enum": [*FACTS]})
    operator: Operator
    value: Any

    @field_validator("field")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FACTS:
            raise ValueError(f"there is no fact {name}")
        return name

    @model_validator(mode="after")
    def _typed(self) -> Self:
        parsed(FACTS[self.field].type, self.operator, self.value)
        return self

    def holds(self, case: CaseView) -> bool:
        """Tell whether it is so."""
        kind = FACTS[self.field].type
        return holds(case, self.field, self.operator, parsed(kind, self.operator, self.value))


class When(Check):
    """One way: the port taken when the comparison holds, and every further one does too."""

    port: PortName
    also: list[Check] = Field(default_factory=list, max_length=CASES_MAX)

    @field_validator("port")
    @classmethod
    def _free(cls, port: str) -> str:
        if port == ELSE:
            raise ValueError("else is what remains")
        return port


class ConditionSettings(Form):
    """The ways in order; the first that holds is taken."""

    cases: list[When] = Field(min_length=1, max_length=CASES_MAX)

    @field_validator("cases")
    @classmethod
    def _distinct(cls, cases: list[When]) -> list[When]:
        if len({case.port for case in cases}) < len(cases):
            raise ValueError("each case has a port of its own")
        return cases


class ConditionNode(WorkflowNode[ConditionSettings]):
    """Leaves by the first case that holds, else by `else`."""

    name = "condition"
    title = "Condition"
    Settings = ConditionSettings
    ports = (ELSE,)

    def ports_of(self, config: ConditionSettings) -> tuple[str, ...]:
        """Return a port for each case, and `else`."""
        return (*(case.port for case in config.cases), ELSE)

    def run(self, case: CaseView, config: ConditionSettings) -> Step:
        """Compare, in order."""
        for when in config.cases:
            if when.holds(case) and all(check.holds(case) for check in when.also):
                return Go(port=when.port)
        return Go(port=ELSE)


def facts_of(config: Any) -> frozenset[str]:
    """Return the facts that the settings of a condition name, as they stand in a graph."""
    found: set[str] = set()
    for when in config.get("cases") or ():
        found.add(str(when.get("field")))
        found |= {str(check.get("field")) for check in when.get("also") or ()}
    return frozenset(found)
