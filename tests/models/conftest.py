"""Makes the demo model's own modules importable, as its script sees them, and loads the model once."""

import sys
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "models" / "demo"
sys.path.insert(0, str(DEMO))


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo model."""
    return DEMO


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The demo model's tokenizer, as users load it."""
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(DEMO)


@pytest.fixture(scope="session")
def model() -> Any:
    """The demo model in float32, which is the faster on a CPU without bfloat16."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    return transformers.AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32).eval()
