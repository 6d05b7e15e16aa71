import pytest

from server.deltas import add, joined


def of(*deltas):
    into = {}
    for delta in deltas:
        add(into, delta)
    return joined(into)


def test_texts_are_joined_and_names_are_said_once():
    assert of({"id": "a", "text": "x"}, {"id": "a", "text": "y"}) == {"id": "a", "text": "xy"}


def test_null_is_kept_where_nothing_else_comes():
    assert of({"a": None, "b": None}, {"b": "x"}, {"b": None}) == {"a": None, "b": "x"}


def test_objects_are_merged_and_lists_extended():
    assert of({"o": {"a": "x"}, "l": [1]}, {"o": {"a": "y", "n": 2}, "l": [2]}) == {"o": {"a": "xy", "n": 2}, "l": [1, 2]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_items_with_an_index_are_merged_and_stand_in_its_order(order):
    first = [{"calls": [{"index": index, "function": {"arguments": f"{index}"}}]} for index in order]
    then = [{"calls": [{"index": index, "function": {"arguments": "!"}}]} for index in (0, 1)]
    assert of(*first, *then)["calls"] == [
        {"index": 0, "function": {"arguments": "0!"}},
        {"index": 1, "function": {"arguments": "1!"}},
    ]


def test_a_list_of_numbers_is_not_copied():
    numbers = [1, 2]
    assert joined(numbers) is numbers
