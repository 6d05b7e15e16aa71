import json
import shutil

import numpy as np
import pytest

from server.cache.semantic.embedders.base import EmbedderDown, TooLong
from server.cache.semantic.embedders.onnx import Onnx, locate, max_tokens
from server.errors import ModelNotFound, StartError
from server.onnxmodel import graph_of


async def opened(folder, prefix=""):
    embedder = Onnx(str(folder), prefix)
    await embedder.open()
    return embedder


async def test_a_real_model_puts_paraphrases_near_and_other_questions_far(minilm_folder):
    embedder = await opened(minilm_folder)
    a, b, c = await embedder.embed(
        ["How do I reset my password?", "I forgot my password, how can I get a new one?", "What is the capital of France?"]
    )
    assert float(a @ b) > 0.7
    assert float(a @ c) < 0.3
    await embedder.close()


async def test_vectors_are_those_of_the_model_itself_but_for_rounding(minilm_folder):
    torch = pytest.importorskip("torch")
    from transformers import AutoModel, AutoTokenizer

    from tests.minilm import package

    text = "What is the capital of France, and how many people live there?"
    embedder = await opened(minilm_folder)
    (vector,) = await embedder.embed([text])
    await embedder.close()
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(package()).eval()(**AutoTokenizer.from_pretrained(package())(text, return_tensors="pt"))
    mean = hidden.last_hidden_state.mean(dim=1)[0].numpy()
    assert float(vector @ mean / np.linalg.norm(mean)) > 0.98


async def test_a_text_has_the_same_vector_in_any_company(minilm_folder):
    embedder = await opened(minilm_folder)
    (alone,) = await embedder.embed(["one text"])
    accompanied, _ = await embedder.embed(["one text", "another, which is quite a bit longer than the first one"])
    assert alone.tolist() == accompanied.tolist()
    await embedder.close()


async def test_the_prefix_is_put_before_each_text(minilm_folder):
    plain, prefixed = await opened(minilm_folder), await opened(minilm_folder, "query: ")
    (a,), (b,) = await plain.embed(["query: hello"]), await prefixed.embed(["hello"])
    assert a.tolist() == b.tolist()
    assert plain.name != prefixed.name


async def test_a_text_that_would_be_cut_off_is_refused(minilm_folder):
    embedder = await opened(minilm_folder)
    assert embedder.max_tokens == 256
    with pytest.raises(TooLong, match="the embedder reads 256"):
        await embedder.embed(["word " * 300])


async def test_a_closed_embedder_is_down(minilm_folder):
    embedder = await opened(minilm_folder)
    embedder._session = None
    with pytest.raises(EmbedderDown):
        await embedder.embed(["a"])


def test_int8_is_taken_before_float_and_the_subfolder_before_the_folder(tmp_path):
    (tmp_path / "onnx").mkdir()
    for name in ("model.onnx", "onnx/model.onnx"):
        (tmp_path / name).touch()
    assert graph_of(tmp_path) == tmp_path / "onnx/model.onnx"
    (tmp_path / "model_int8.onnx").touch()
    assert graph_of(tmp_path) == tmp_path / "model_int8.onnx"


def test_a_folder_without_a_graph_says_what_to_do(tmp_path):
    (tmp_path / "tokenizer.json").touch()
    with pytest.raises(ModelNotFound, match="export the model first"):
        graph_of(locate(str(tmp_path)))


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(ModelNotFound, match=r"has no tokenizer.json"):
        locate(str(tmp_path))


def test_a_hub_id_that_cannot_be_had_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFound, match="put the model's files into a folder and name that"):
        locate("nobody/nothing-of-this-name")


async def test_a_broken_graph_says_what_to_do(minilm_folder, tmp_path):
    shutil.copy(minilm_folder / "tokenizer.json", tmp_path / "tokenizer.json")
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(StartError, match="download it again, or name another model"):
        await opened(tmp_path)


def test_the_longest_text_is_read_from_the_models_own_files(tmp_path):
    assert max_tokens(tmp_path) == 512
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 384}))
    assert max_tokens(tmp_path) == 384
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    assert max_tokens(tmp_path) == 128
    (tmp_path / "sentence_bert_config.json").write_text("broken")
    assert max_tokens(tmp_path) == 384
