"""However a run ends, its status is true: each fault is done to a real command."""

import pytest

from faults import GROUPS, is_true, measured, of_group


# One worker: two commands at a time are enough for the machine.
@pytest.mark.xdist_group("faults")
@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", GROUPS)
def test_after_each_fault_the_store_says_what_happened(group):
    """Not among the long ones: some sixty real commands, each struck by one fault, take a quarter of an hour."""
    found = measured(group)
    assert {name: each for name, each in found.items() if not is_true(of_group(group)[name], each)} == {}
