import json
from pathlib import Path

import pytest

from server.engine import checkpoint
from server.errors import ModelNotFound, StartError
from tests.server.engine.conftest import write_model


def test_a_chat_model_is_read_from_its_small_files(tmp_path: Path) -> None:
    found = checkpoint.inspect(write_model(tmp_path, weights=100, template="{{ messages }}"))
    assert (found.architecture, found.task, found.max_model_len, found.weight_bytes) == ("LlamaForCausalLM", "generate", 2048, 100)
    assert found.chat_template
    assert (found.quantization, found.tool_parser, found.reasoning_parser) == ("", "", "")


@pytest.mark.parametrize(
    ("architecture", "modules", "task"),
    [
        ("LlamaForCausalLM", False, "generate"),
        ("Qwen2_5_VLForConditionalGeneration", False, "generate"),
        ("Qwen3ForCausalLM", True, "embed"),
        ("BertModel", False, "embed"),
        ("XLMRobertaForMaskedLM", False, "embed"),
        ("BertForSequenceClassification", False, "score"),
        ("XLMRobertaForSequenceClassification", True, "score"),
    ],
)
def test_the_task_follows_from_the_architecture(tmp_path: Path, architecture: str, modules: bool, task: str) -> None:
    folder = write_model(tmp_path, architectures=[architecture])
    if modules:
        (folder / "modules.json").write_text("[]")
    assert checkpoint.inspect(folder).task == task


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, ("gptq", 4)),
        ({"quant_method": "awq", "bits": 4, "version": "gemm"}, ("awq", 4)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ("bitsandbytes", 4)),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, ("bitsandbytes", 8)),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, ("torchao", 8)),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig"}}}, ("torchao", 4)),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, ("compressed-tensors", 4)),
        ({"quant_method": "compressed_tensors"}, ("compressed-tensors", 0)),
        ({"quant_method": "fp8"}, ("fp8", 8)),
    ],
)
def test_quantization_is_recognised(tmp_path: Path, config: dict[str, object], expected: tuple[str, int]) -> None:
    found = checkpoint.inspect(write_model(tmp_path, quantization_config=config))
    assert (found.quantization, found.bits) == expected


def test_a_multimodal_config_keeps_its_context_one_level_down(tmp_path: Path) -> None:
    folder = write_model(tmp_path, max_position_embeddings=None, text_config={"max_position_embeddings": 4096})
    assert checkpoint.inspect(folder).max_model_len == 4096


def test_a_sentence_model_says_its_own_context(tmp_path: Path) -> None:
    folder = write_model(tmp_path, architectures=["BertModel"])
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    assert checkpoint.inspect(folder).max_model_len == 256


@pytest.mark.parametrize("where", ["chat_template.jinja", "tokenizer_config.json", "named", "chat_template.json"])
def test_the_chat_template_is_found_wherever_it_is_kept(tmp_path: Path, where: str) -> None:
    folder, text = write_model(tmp_path), "{{ messages }}"
    kept: object = [{"name": "default", "template": text}] if where == "named" else text
    (folder / where).write_text(text) if where.endswith("jinja") else None
    if not where.endswith("jinja"):
        (folder / ("tokenizer_config.json" if where == "named" else where)).write_text(json.dumps({"chat_template": kept}))
    assert checkpoint.chat_template(folder) == text


def test_weights_in_two_forms_are_counted_once(tmp_path: Path) -> None:
    folder = write_model(tmp_path, weights=100)
    (folder / "consolidated.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "pytorch_model.bin").write_bytes(bytes(100))
    assert checkpoint.inspect(folder).weight_bytes == 100


def test_a_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no model folder at .*Hugging Face id"):
        checkpoint.inspect(tmp_path / "nowhere")


def test_a_folder_without_config_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no config\.json"):
        checkpoint.inspect(tmp_path)


def test_a_folder_without_weights_is_said_to_have_none(tmp_path: Path) -> None:
    (write_model(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match="no weights"):
        checkpoint.inspect(tmp_path)


@pytest.mark.parametrize("text", ["{not json", "[1, 2]", "\xff"])
def test_a_broken_config_names_the_file(tmp_path: Path, text: str) -> None:
    (write_model(tmp_path) / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StartError, match=r"cannot read .*config\.json"):
        checkpoint.inspect(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"", "not a whole safetensors file"),
        (b"\xff" * 64, "not a whole safetensors file"),
    ],
)
def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (write_model(tmp_path) / "model.safetensors").write_bytes(content)
    with pytest.raises(StartError, match=said):
        checkpoint.inspect(tmp_path)


def test_a_cut_download_is_noticed(tmp_path: Path) -> None:
    file = write_model(tmp_path, weights=1000) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(StartError, match="cut short"):
        checkpoint.inspect(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("quantize_config.json", {"bits": 4, "group_size": 128, "desc_act": False, "sym": True}, ("gptq", 4)),  # AutoGPTQ before 0.5
        ("quant_config.json", {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}, ("awq", 4)),  # AutoAWQ before 0.1.8
    ],
)
def test_the_quantization_may_stand_in_a_file_beside_the_config(
    tmp_path: Path, file: str, content: dict[str, object], found: object
) -> None:
    (write_model(tmp_path) / file).write_text(json.dumps(content))
    read = checkpoint.inspect(tmp_path)
    assert ((read.quantization, read.bits), read.said_beside) == (found, True)


def test_the_configs_own_word_goes_before_the_file_beside_it(tmp_path: Path) -> None:
    write_model(tmp_path, quantization_config={"quant_method": "gptq", "bits": 8})
    (tmp_path / "quantize_config.json").write_text('{"bits": 4}')
    read = checkpoint.inspect(tmp_path)
    assert (read.quantization, read.bits, read.said_beside) == ("gptq", 8, False)


@pytest.mark.parametrize(
    ("config", "size"),
    [({"head_dim": 64, "hidden_size": 256, "num_attention_heads": 2}, 64), ({"hidden_size": 256, "num_attention_heads": 2}, 128), ({}, 0)],
)
def test_the_size_of_an_attention_head(tmp_path: Path, config: dict[str, object], size: int) -> None:
    assert checkpoint.inspect(write_model(tmp_path, **config)).head_size == size
