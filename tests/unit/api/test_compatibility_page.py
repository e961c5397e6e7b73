"""docs/compatibility.md is what its sources make, and says something of every operation and parameter."""

from __future__ import annotations

import pytest
from tests.integration.api.golden import page, rows, stages
from tests.integration.api.golden.table import Refused

from elbflow_api import query
from elbflow_api.actions import ACTIONS
from elbflow_api.query import model
from elbflow_api.settings import ApiSettings

SAID = page.statements()
PARAMETERS = {(name, path) for name in query.operations() for path, _, _ in page.parameters(name)}


def test_the_page_is_current() -> None:
    assert page.PAGE.read_text() == page.made(), "run: python -m tests.integration.api.golden.page"


def test_every_operation_of_the_model_is_served_and_has_its_statement() -> None:
    assert set(query.operations()) == set(ACTIONS) == SAID.keys() - {page.EVERY}
    assert all(page.ITSELF in said for name, said in SAID.items() if name != page.EVERY)


def test_every_parameter_has_its_statement_and_nothing_else_has_one() -> None:
    silent = [pair for pair in PARAMETERS if pair[1] not in SAID[pair[0]] and pair[1] not in SAID[page.EVERY]]
    assert silent == []
    said = {(name, path) for name, of in SAID.items() if name != page.EVERY for path in of if path != page.ITSELF}
    assert said <= PARAMETERS
    assert SAID[page.EVERY].keys() <= {path for _, path in PARAMETERS}


def test_statements_are_about_here_aws_and_the_original() -> None:
    for of in SAID.values():
        for path, told in of.items():
            assert len(told) == 3, path
            assert all(text.strip() and "|" not in text and "\n" not in text for text in told), path
            assert not told[0].startswith(page.SAME), path


@pytest.mark.parametrize("name", sorted(query.operations()))
def test_every_parameter_is_in_a_golden_row_that_is_accepted(name: str) -> None:
    unproven = [path for path, _, _ in page.parameters(name) if page.exercised(name, path)[0] == 0]
    assert unproven == []


def test_codes_that_statements_name_are_shown_by_rows() -> None:
    """Of an operation's own statements on what is refused here."""
    known = {fault.code for fault in model.fault_shapes().values()} | {"ValidationError"}
    for name in query.operations():
        told = " ".join(said[0] for said in SAID[name].values())
        named = {code for code in known if f"`{code}`" in told}
        assert named <= rows.proven_errors(name), name


def test_rows_tell_refusals_apart() -> None:
    refusals = {(row.expected.code, row.expected.status) for row in rows.ROWS if isinstance(row.expected, Refused)}
    assert len({code for code, _ in refusals}) == len(refusals)


def test_every_setting_for_clients_of_the_original_is_tested() -> None:
    settings = {name for name in ApiSettings.model_fields if name.startswith("compatibility_")}
    assert settings == stages.ORIGINAL.keys() | stages.OWN_TESTS.keys()
    for name, path in stages.OWN_TESTS.items():
        assert name in (page.DOCS.parent / path).read_text()
