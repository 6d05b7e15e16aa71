"""Text classifiers of a few numbers, made on the spot: one as an ONNX graph, one for transformers.

Both read words: "bad" pushes the label INJECTION, "mild" the label JAILBREAK, every other word BENIGN a little.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LABELS = ("BENIGN", "INJECTION", "JAILBREAK")
WORDS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "bad": 4, "mild": 5}


def tokenizer() -> Any:
    """A word tokenizer that puts [CLS] before and [SEP] after."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def onnx_folder(folder: Path, labels: tuple[str, ...] = LABELS, **config: Any) -> Path:
    """The graph looks each token up in a table (words, labels) and takes the highest number of each label."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save_model

    table = np.full((len(WORDS), len(labels)), -6.0, np.float32)
    table[:, 0] = 2.0 if len(labels) > 1 else -6.0
    table[4, min(1, len(labels) - 1)] = 8.0
    if len(labels) > 2:
        table[5, 2] = 8.0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"], axis=0),
        helper.make_node("ReduceMax", ["looked_up", "axes"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(labels)])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(folder / "model.onnx"))
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(labels)), **config}))
    return folder


def transformers_folder(folder: Path) -> Path:
    """A BERT of one layer whose embedding of "bad" reaches the label INJECTION through the pooler of [CLS]."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, max_position_embeddings=64,
        num_labels=3, id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    ids = torch.tensor([[2, 4, 4, 3], [2, 1, 1, 3], [2, 5, 1, 3], [2, 1, 4, 3]])
    wanted = torch.tensor([1, 0, 2, 1])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        model(input_ids=ids, labels=wanted).loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    return folder
