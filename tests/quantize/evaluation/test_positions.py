import base64
import json
import struct
import zlib

from quantize.evaluation.positions import COMPARED, Positions, pack, unpack
from tests.quantize.evaluation.made import measurement


def test_numbers_come_back_as_they_were():
    assert list(unpack("i", pack("i", [1, -1, 2**31 - 1]))) == [1, -1, 2**31 - 1]
    assert list(unpack("f", pack("f", [-0.5, 0.0, -13.25]))) == [-0.5, 0.0, -13.25]


def test_the_format_can_be_read_without_this_code():
    raw = zlib.decompress(base64.b64decode(pack("f", [-1.5, 2.0])))
    assert struct.unpack("<2f", raw) == (-1.5, 2.0)


def test_places_with_fewer_tokens_are_filled_and_left_out_again():
    said = Positions.build([2], [5, 6], [-1.0, -2.0], [[(5, -1.0), (7, -1.5)], [(6, -2.0)]], 5)
    assert said.width == 5
    assert said.listed(0) == [(5, -1.0), (7, -1.5)]
    assert said.listed(1) == [(6, -2.0)]


def test_json_and_back():
    said = measurement().positions
    again = Positions.model_validate(json.loads(said.model_dump_json()))
    assert again == said
    assert again.listed(3) == said.listed(3)


def test_other_tokens_or_other_cuts_are_other_texts():
    said = Positions.build([2], [5, 6], [-1.0, -2.0], [[], []], 5)
    assert said.same_texts(Positions.build([2], [5, 6], [-9.0, -9.0], [[], []], 5))
    assert not said.same_texts(Positions.build([2], [5, 7], [-1.0, -2.0], [[], []], 5))
    assert not said.same_texts(Positions.build([1, 1], [5, 6], [-1.0, -2.0], [[], []], 5))


def test_what_a_comparison_needs_is_the_first_token_and_those_of_the_baseline():
    mine = Positions.build([1], [0], [-1.0], [[(9, -0.1), (0, -1.0), (1, -2.0), (2, -3.0)]], 5)
    theirs = Positions.build([1], [0], [-1.0], [[(2, -0.1), (0, -1.0)]], 5)
    assert mine.needed_beside(theirs).listed(0) == mine.listed(0)[:2] + mine.listed(0)[3:]


def test_a_baseline_keeps_its_first_twenty():
    said = measurement().positions
    kept = said.needed_beside(said)
    assert len(kept.listed(2)) == COMPARED
    assert kept.listed(2) == said.listed(2)[:COMPARED]
