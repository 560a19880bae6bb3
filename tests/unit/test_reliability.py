"""The page on what is kept has a row for each fault that is tried, and no wrong status."""

import pytest

from faults import GONE, GROUPS, of_group, on_page


@pytest.mark.parametrize("group", GROUPS)
def test_the_page_says_of_each_fault_what_is_true(group):
    statuses = {name: status.removeprefix(GONE) for name, status in on_page(group).items()}
    assert statuses == {name: fault.true for name, fault in of_group(group).items()}
