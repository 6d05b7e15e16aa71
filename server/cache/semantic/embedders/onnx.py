"""A sentence-embedding model as ONNX, by onnxruntime on one CPU core: mean pooling, length 1.

The model is a folder, or a hub id that is downloaded once: `tokenizer.json`, `config.json`, and a graph (`*.onnx`, here
or in `onnx/`). An int8 graph is taken before a float one: a quarter of the time and of the memory, and for
neighbours that are as near as ours the order stays the same. For Korean: intfloat/multilingual-e5-small, with
`prefix: "query: "`, as its card asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from server.cache.semantic.embedders.base import INSTALL, EmbedderDown, TooLong, Vector, numpy, unit
from server.errors import ModelNotFound, StartError
from server.onnxmodel import GRAPH_FILES, download, graph_of, session_of, setting

FILES = ["tokenizer.json", "config.json", "sentence_bert_config.json"]


class Onnx:
    def __init__(self, model: str, prefix: str = "") -> None:
        self.model = model
        self.prefix = prefix
        self.name = f"onnx-{model}-{prefix}"
        self.deadline = 0.05
        self.max_tokens = 512
        self._thread = ThreadPoolExecutor(1, "embedder")  # onnxruntime lets Python go on while it computes
        self._session: Any = None
        self._tokenizer: Any = None

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._session = None

    def _load(self) -> None:
        numpy()
        try:
            import onnxruntime  # noqa: F401
            from tokenizers import Tokenizer
        except ImportError as error:
            raise StartError(f"The embedder '{self.model}' needs {error.name}: {INSTALL}, or set cache.semantic.embedder: ngram.") from None
        folder = locate(self.model)
        graph = graph_of(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self.max_tokens = max_tokens(folder)
        self._session = session_of(graph)
        self._tokenizer.no_padding()
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self._embed(["warm up"])

    def _embed(self, texts: list[str]) -> list[Vector]:
        """One text a run: an int8 graph scales its numbers by what is in the batch, so in company a text gets another vector."""
        if self._session is None:
            raise EmbedderDown("it is closed")
        return [self._run(self._tokenizer.encode(self.prefix + text).ids) for text in texts]

    def _run(self, ids: list[int]) -> Vector:
        np = numpy()
        if len(ids) > self.max_tokens:
            raise TooLong(f"{len(ids)} tokens; the embedder reads {self.max_tokens}")
        tokens = np.array([ids], np.int64)
        feed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        hidden = self._session.run(None, {name: value for name, value in feed.items() if name in self._inputs})[0]
        return unit(hidden.mean(axis=(0, 1)) if hidden.ndim == 3 else hidden[0])  # of one vector a token, the mean


def locate(model: str) -> Path:
    """The folder of `model`: itself, or the hub's snapshot. Raises ModelNotFound, StartError."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "tokenizer.json").is_file():
            raise ModelNotFound(f"{folder} has no tokenizer.json: name the folder of a sentence-embedding model.")
        return folder
    return download(model, [*FILES, *GRAPH_FILES], "The embedder", "cache.semantic.embedder")


def max_tokens(folder: Path) -> int:
    """How many tokens the model was made to read; 512 where nothing says it."""
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
        value = setting(folder, name, key)
        if isinstance(value, int) and value > 0:
            return min(value, 512)
    return 512
