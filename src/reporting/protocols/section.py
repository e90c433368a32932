"""The part of a report about the published protocol by which a run was scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from src.data.protocol_facts import ProtocolFacts
from src.data.protocols import PROTOCOLS
from src.record.results import SampleResult
from src.reporting.protocols.complex_edit import complex_edit_tables
from src.reporting.protocols.gedit import gedit_tables
from src.reporting.protocols.imgedit import imgedit_tables, imgedit_uge_tables
from src.reporting.protocols.kris import kris_tables
from src.reporting.protocols.reward_models import firm_edit_tables, rationalrewards_tables, vie_tables
from src.reporting.protocols.rise import rise_tables, uniredit_tables
from src.reporting.protocols.tables import ProtocolRow, ProtocolTable, protocol_row

_TABLES: dict[str, Callable[[Sequence[ProtocolRow], bool], list[ProtocolTable]]] = {
    "gedit": gedit_tables,
    "gedit-qwen": gedit_tables,
    "imgedit": imgedit_tables,
    "imgedit-uge": imgedit_uge_tables,
    "rise": rise_tables,
    "kris": kris_tables,
    "uniredit": uniredit_tables,
    "complex-edit": complex_edit_tables,
    "editscore": vie_tables,
    "editscore-qwen25": vie_tables,
    "editscore-api": vie_tables,
    "firm-edit": firm_edit_tables,
    "unifiedreward-edit": vie_tables,
    "rationalrewards": rationalrewards_tables,
}
_STATED = ("judge", "calls", "pictures", "sampling", "reply", "formula", "aggregation")


class ProtocolSection:
    """Takes the results of a run one by one, and makes the tables of its protocol.

    Args:
        scorer: The identity of the run's scorer.
    """

    def __init__(self, scorer: Mapping[str, Any]) -> None:
        self._facts = protocol_of(scorer)
        self._scorer = scorer
        self._rows: list[ProtocolRow] = []

    def add(self, result: SampleResult) -> None:
        """Takes a result; of a run by another scorer it keeps nothing."""
        if self._facts is not None:
            self._rows.append(protocol_row(result))

    def data(self) -> dict[str, Any]:
        """The section by its key in the report; empty for a run by another scorer."""
        facts = self._facts
        if facts is None:
            return {}
        params = self._scorer.get("params", {})
        as_published = bool(params.get("as_published"))
        tables = _TABLES[facts.short_name](self._rows, as_published)
        section = {
            "name": facts.name,
            "benchmark": facts.benchmark,
            "source": facts.source,
            "scale": list(facts.scale),
            "comparable": comparable_with_tables(facts, self._scorer),
            "as_published": as_published,
            "defects": list(facts.defects),
            "not_reproduced": list(facts.not_reproduced),
            "stated": {name: getattr(facts, name) for name in _STATED},
            "tables": [table.data() for table in tables],
        }
        return {"protocol": section}


def protocol_of(scorer: Mapping[str, Any]) -> ProtocolFacts | None:
    """What is stated of the protocol of a scorer with this identity; None for another scorer."""
    told = scorer.get("protocol")
    return PROTOCOLS.get(str(told.get("name"))) if isinstance(told, Mapping) else None


def comparable_with_tables(facts: ProtocolFacts, scorer: Mapping[str, Any]) -> str:
    """A sentence that says how far the figures may stand beside published ones."""
    if "imported" in scorer.get("protocol", {}):
        return (
            f"The scores are those of files of {facts.benchmark}'s own script; their means are computed here. Which "
            "judge was asked, and how, the files do not say."
        )
    told = scorer.get("protocol", {})
    official = told.get("official_prompts")
    if official is None:
        return (
            f"The questions are in this project's own wording: these figures are not comparable with published tables "
            f"of {facts.benchmark}."
        )
    own = " Temperature and limit of tokens are the judge's own." if told.get("sampling") == "judge" else ""
    return (
        f"The questions are the benchmark's own, of {official['version']}. Beside a published table of "
        f"{facts.benchmark} these figures may stand only where the judge is the same one ({facts.judge}).{own}"
    )
