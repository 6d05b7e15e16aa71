"""Any text-classification model: an ONNX graph by onnxruntime, or a transformers model by torch; on the CPU. One ships: `injection`.

A long text is read in windows that overlap; a label's score is its highest in any window of any text. One window a run:
an int8 graph scales its numbers by what is in the batch, so in company a text would get other scores.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from server.errors import ConfigError, ModelNotFound, StartError
from server.guards import ngrams
from server.guards.base import Context, GuardDown, Judgement, Piece, Side, Tools, Window
from server.guards.recent import Recent
from server.guardsettings import Classifier
from server.nearest import did_you_mean
from server.onnxmodel import GRAPH_FILES, download, graph_in, session_of, setting

MOST = 256  # windows of one text; more is GuardDown
WIDEST = 16  # characters that one token stands for at most, on average; a longer text is not even taken apart
INSTALL = "pip install -r requirements/semantic.txt"
TEXT_FILES = ["tokenizer.json", "tokenizer_config.json", "config.json", "special_tokens_map.json", "vocab.txt", "*.model"]
WEIGHTS = ["model.safetensors", "model-*.safetensors", "model.safetensors.index.json"]

Run = Callable[[Any], list[float]]  # a window: its token ids, or its text -> a number a label, before softmax
Cut = Callable[[str], Sequence[Any]]  # a text -> its windows


def make(settings: Classifier, side: Side, tools: Tools) -> ClassifierJudge:
    """Raises ConfigError for a label's action that a classifier cannot take."""
    for label, action in settings.labels.items():
        if action not in ("block", "warn", "pass"):
            raise ConfigError(f"guard '{settings.label}': `labels: {{{label}: {action}}}`: write block, warn or pass.")
    if settings.model not in ngrams.SHIPPED and Path(settings.model).expanduser().is_dir():
        _locate(settings)
    return ClassifierJudge(settings)


class ClassifierJudge:
    window: Window = "sentences"
    parallel = False

    def __init__(self, settings: Classifier) -> None:
        self.settings = settings
        self.labels: list[str] = []
        self._acted: dict[str, str] = {}  # label -> block, warn, or "" for the guard's own action
        self._single = False  # a sigmoid a label, not one softmax over all
        self._recent: Recent[tuple[float, ...]] = Recent()
        self._thread = ThreadPoolExecutor(1, "classifier")  # both runtimes let Python go on while they compute
        self._cut: Cut | None = None
        self._run: Run | None = None

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._run = None

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Every text by itself. Raises GuardDown for a text of more than MOST windows."""
        highest: dict[str, float] = dict.fromkeys(self._acted, 0.0)
        found: dict[str, str] = {}  # label -> place
        for piece in pieces:
            before = piece.before[-self.settings.window :] if self.settings.window else ""
            if not piece.text.strip():
                continue
            for label, score in zip(self.labels, await self._scores(before + piece.text), strict=True):
                if label not in highest:
                    continue
                if score >= self.settings.threshold and score > highest[label]:
                    found[label] = piece.place
                highest[label] = max(score, highest[label])
        if not found:
            return Judgement(False, highest)
        worst = max(found, key=lambda label: (self._acted[label] != "warn", highest[label]))
        action = self._acted[worst]
        return Judgement(
            True,
            highest,
            f"{worst} {highest[worst]:.2f}",
            found[worst],
            "block" if action == "block" else "warn" if action == "warn" else None,
        )

    async def _scores(self, text: str) -> tuple[float, ...]:
        """A probability a label: its highest in any window."""
        known = self._recent.get(text)
        if known is not None:
            return known
        if self._run is None or self._cut is None:
            raise GuardDown("it is closed")
        if len(text) > MOST * self.settings.max_tokens * WIDEST:
            raise GuardDown(f"the text is too long: {len(text)} characters")
        loop = asyncio.get_running_loop()
        windows = await loop.run_in_executor(self._thread, self._cut, text.encode("utf-8", "replace").decode())
        if len(windows) > MOST:
            raise GuardDown(f"the text is too long: {len(windows)} windows of {self.settings.max_tokens} tokens")
        highest = [0.0] * len(self.labels)
        for window in windows:  # one at a time, so that a timeout ends the rest
            scores = await loop.run_in_executor(self._thread, self._probabilities, window)
            highest = [max(a, b) for a, b in zip(highest, scores, strict=True)]
        self._recent.put(tuple(highest), text)
        return tuple(highest)

    def _probabilities(self, window: Any) -> list[float]:
        assert self._run is not None
        raw = self._run(window)
        if len(raw) != len(self.labels) or not all(math.isfinite(value) for value in raw):
            raise GuardDown(f"the classifier answers {len(raw)} numbers for {len(self.labels)} labels")
        if self._single:
            return [1 / (1 + math.exp(-value)) if value > -700 else 0.0 for value in raw]
        top = max(raw)
        powers = [math.exp(value - top) for value in raw]
        return [power / sum(powers) for power in powers]

    def _load(self) -> None:
        if self.settings.model in ngrams.SHIPPED:
            model = ngrams.Linear(ngrams.SHIPPED[self.settings.model])
            self.labels, self._cut, self._run = model.labels, ngrams.windows, model.logits
        else:
            self._load_folder(_locate(self.settings))
        self._acted = self._actions()

    def _load_folder(self, folder: Path) -> None:
        graph = graph_in(folder)
        tokenizer, self._run = _onnx(folder, graph, self.settings) if graph else _transformers(folder, self.settings)
        tokenizer.no_padding()
        longest = max(8, min(self.settings.max_tokens, _reads(folder)))
        tokenizer.enable_truncation(longest, stride=min(self.settings.overlap, longest // 4))

        def cut(text: str) -> list[list[int]]:
            encoded = tokenizer.encode(text)
            return [encoded.ids, *(more.ids for more in encoded.overflowing)]

        self._cut = cut
        first = self._run(cut("warm up")[0])
        self.labels = _labels(folder) or [f"LABEL_{number}" for number in range(len(first))]
        if len(first) != len(self.labels):
            raise StartError(
                f"guard '{self.settings.label}': {folder} answers {len(first)} numbers a text, its config.json names {len(self.labels)} "
                "labels: name the folder of a text-classification model."
            )
        self._single = len(self.labels) == 1 or setting(folder, "config.json", "problem_type") == "multi_label_classification"

    def _actions(self) -> dict[str, str]:
        if not self.settings.labels:
            return dict.fromkeys(self.labels if len(self.labels) == 1 else self.labels[1:], "")
        by_name = {label.casefold(): label for label in self.labels}
        acted: dict[str, str] = {}
        for name, action in self.settings.labels.items():
            label = by_name.get(name.casefold())
            if label is None:
                hint = did_you_mean(name, self.labels)
                raise StartError(f"guard '{self.settings.label}': {self.settings.model} has no label '{name}': {hint}")
            if action != "pass":
                acted[label] = action
        return acted


def _locate(settings: Classifier) -> Path:
    """The model's folder: itself, or the hub's snapshot. Raises ModelNotFound."""
    folder = Path(settings.model).expanduser()
    who = f"guard '{settings.label}': the classifier"
    if not folder.is_dir():
        if settings.model.startswith(("/", "./", "../", "~")):
            raise ModelNotFound(f"{who} '{settings.model}' is no folder: check `model`.")
        folder = download(settings.model, [*TEXT_FILES, *GRAPH_FILES], who, "`model`")
        if graph_in(folder) is None:
            folder = download(settings.model, [*TEXT_FILES, *WEIGHTS], who, "`model`")
    if not (folder / "config.json").is_file():
        raise ModelNotFound(f"{who} {folder} has no config.json: name the folder of a text-classification model.")
    if graph_in(folder) is None and not any(folder.glob("*.safetensors")):
        raise ModelNotFound(f"{who} {folder} has neither an .onnx file nor model.safetensors: save the model as one of the two.")
    return folder


def _labels(folder: Path) -> list[str]:
    """The labels in the order of the model's numbers; none where config.json does not say."""
    named = setting(folder, "config.json", "id2label")
    try:
        return [str(named[key]) for key in sorted(named, key=int)] if named else []
    except (TypeError, ValueError):
        return []


def _reads(folder: Path) -> int:
    """How many tokens the model can read, its special ones with them; 512 where nothing says it."""
    limits = []
    declared = setting(folder, "tokenizer_config.json", "model_max_length")
    if isinstance(declared, int | float) and 0 < declared < 1_000_000:
        limits.append(int(declared))
    positions = setting(folder, "config.json", "max_position_embeddings")
    if isinstance(positions, int) and positions > 0:
        pad = setting(folder, "config.json", "pad_token_id")
        shifted = (
            "roberta" in str(setting(folder, "config.json", "model_type")) or setting(folder, "config.json", "model_type") == "camembert"
        )
        limits.append(positions - ((pad if isinstance(pad, int) else 1) + 1 if shifted else 0))  # their positions begin after the padding's
    return min(limits, default=512)


def _onnx(folder: Path, graph: Path, settings: Classifier) -> tuple[Any, Run]:
    try:
        import numpy as np
        import onnxruntime  # noqa: F401
        from tokenizers import Tokenizer
    except ImportError as error:
        raise StartError(f"guard '{settings.label}' runs an ONNX model and needs {error.name}: {INSTALL}.") from None
    file = next((at / "tokenizer.json" for at in (folder, graph.parent) if (at / "tokenizer.json").is_file()), None)
    if file is None:
        raise ModelNotFound(f"guard '{settings.label}': {folder} has no tokenizer.json: put the model's tokenizer beside its graph.")
    session = session_of(graph)
    inputs = {entry.name for entry in session.get_inputs()}

    def run(ids: list[int]) -> list[float]:
        tokens = np.array([ids], np.int64)
        feed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        logits = session.run(None, {name: value for name, value in feed.items() if name in inputs})[0]
        return [float(value) for value in np.asarray(logits, np.float64).reshape(-1)]

    return Tokenizer.from_file(str(file)), run


def _transformers(folder: Path, settings: Classifier) -> tuple[Any, Run]:
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise StartError(
            f"guard '{settings.label}': {folder} is a transformers model and needs {error.name}: pip install torch transformers, "
            "or export it, `optimum-cli export onnx`."
        ) from None
    logging.disable_progress_bar()
    try:
        model = AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True, use_safetensors=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # its loaders raise whatever they meet
        raise StartError(f"guard '{settings.label}': {folder} cannot be loaded ({str(error)[:200]}): check its files.") from None
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise StartError(f"guard '{settings.label}': {folder} has no fast tokenizer: save it with a tokenizer.json.")

    def run(ids: list[int]) -> list[float]:
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
        return [float(value) for value in logits.reshape(-1)]

    return fast, run
