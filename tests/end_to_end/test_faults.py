"""However a run ends, its status is true: docs/reliability.md says what becomes of it, and here it does."""

import pytest

from faults import GROUPS, PAGE, is_true, measured, of_group, table_of


# One worker: two commands at a time are enough for the machine.
@pytest.mark.xdist_group("faults")
@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", GROUPS)
def test_what_the_page_says_of_each_fault_becomes_of_it(group):
    """Not among the long ones: some sixty real commands, each struck by one fault, take a quarter of an hour."""
    found = measured(group)
    assert {name: each for name, each in found.items() if not is_true(of_group(group)[name], each)} == {}
    assert table_of(group, found) in PAGE.read_text(encoding="utf-8")
