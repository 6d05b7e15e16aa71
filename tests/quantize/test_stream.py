"""Weights read and written a tensor at a time: what is written is what safetensors reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from quantize.errors import SourceError  # noqa: E402
from quantize.stream import INDEX, Shards, Weights  # noqa: E402

KINDS = (torch.bfloat16, torch.float16, torch.float32, torch.int8, torch.uint8, torch.int64)


def some(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=random) * 50).to(dtype)


def written(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and left[name].shape == right[name].shape and torch.equal(left[name], right[name])
        for name in left
    )


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(4, 6), (3,), (1, 5, 7), (), (0, 4)], ids=str)
def test_a_tensor_of_any_type_and_shape_is_written_and_read_as_it_is(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]):
    tensors = {"odd": some(*shape, dtype=dtype), "even": some(8, 8)}
    shards = Shards(tmp_path, 10**6, 4096)
    shards.add(tensors)
    shards.finish({"format": "pt"})
    assert same(written(tmp_path), tensors)
    with Weights(tmp_path) as weights:
        assert same({name: weights.read(name) for name in weights.stored}, tensors)


def test_every_tensor_begins_where_its_type_is_aligned(tmp_path: Path):
    shards = Shards(tmp_path, 10**6, 4096)
    shards.add({"a": some(3, dtype=torch.uint8), "b": some(5, dtype=torch.bfloat16), "c": some(4)})
    shards.finish({})
    with Weights(tmp_path) as weights:
        assert [name for name, stored in weights.stored.items() if stored.begin % {"U8": 1, "BF16": 2, "F32": 4}[stored.dtype]] == []


def test_files_keep_below_the_limit_and_the_index_says_where_each_tensor_is(tmp_path: Path):
    tensors = {f"layer.{number}.weight": some(16, 16, seed=number) for number in range(7)}  # 1 KiB each
    shards = Shards(tmp_path, 3 * 1024, 1024)
    for name, tensor in tensors.items():
        shards.add({name: tensor})
    shards.finish({"format": "pt"})
    files = sorted(tmp_path.glob("*.safetensors"))
    assert [file.name for file in files] == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert [sum(tensor.nbytes for tensor in load_file(file).values()) for file in files] == [3072, 3072, 1024]
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["metadata"] == {"total_size": 7 * 1024}
    assert all(name in load_file(tmp_path / file) for name, file in index["weight_map"].items())
    assert index["weight_map"].keys() == tensors.keys()
    assert not list(tmp_path.glob("part-*"))


def test_tensors_that_belong_together_lie_in_one_file(tmp_path: Path):
    shards = Shards(tmp_path, 1500, 1024)
    for number in range(3):
        shards.add({f"{number}.weight": some(16, 16), f"{number}.scale": some(16)})
    shards.finish({})
    assert [sorted(load_file(file)) for file in sorted(tmp_path.glob("*.safetensors"))] == [
        ["0.scale", "0.weight"],
        ["1.scale", "1.weight"],
        ["2.scale", "2.weight"],
    ]


def test_a_tensor_larger_than_the_limit_gets_a_file_of_its_own(tmp_path: Path):
    shards = Shards(tmp_path, 100, 1024)
    for name in "abc":
        shards.add({name: some(64)})
    shards.finish({})
    assert [sorted(load_file(file)) for file in sorted(tmp_path.glob("*.safetensors"))] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("size", [3_000_001, 8], ids=["larger than a piece, odd", "small"])
def test_a_copy_is_cast_as_torch_casts(tmp_path: Path, size: int):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    tensor = some(size)
    save_file({"weight": tensor}, tmp_path / "in" / "model.safetensors")
    shards = Shards(tmp_path / "out", 10**9, 1024)
    with Weights(tmp_path / "in") as weights:
        shards.copy(weights, "weight", "BF16", "model.weight")
    shards.finish({})
    assert same(written(tmp_path / "out"), {"model.weight": tensor.bfloat16()})


def test_a_header_that_does_not_fit_is_an_error_and_no_file(tmp_path: Path):
    shards = Shards(tmp_path, 10**6, 32)
    shards.add({"weight": some(8)})
    with pytest.raises(ValueError, match="header"):
        shards.finish({})
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_metadata_is_in_every_file(tmp_path: Path):
    from safetensors import safe_open

    shards = Shards(tmp_path, 100, 1024)
    shards.add({"a": some(16)})
    shards.add({"b": some(16)})
    shards.finish({"format": "pt", "who": "me"})
    for file in tmp_path.glob("*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            assert opened.metadata() == {"format": "pt", "who": "me"}


def test_a_file_that_ends_while_it_is_read_is_one_sentence(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    save_file({"weight": some(1024)}, file)
    with Weights(tmp_path) as weights:
        with open(file, "r+b") as opened:
            opened.truncate(1000)
        with pytest.raises(SourceError, match=r"model\.safetensors ended while it was read"):
            weights.read("weight")
