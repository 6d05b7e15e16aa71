import pytest

from server.engine.planner.shape import shape
from server.errors import StartError
from tests.server.engine.planner import models
from tests.server.engine.planner.models import config, llama, tensor

PUBLISHED = {
    "Qwen2.5-0.5B": (models.QWEN25_05B, 12_288),
    "Qwen2.5-1.5B": (models.QWEN25_15B, 28_672),
    "Llama-3.2-1B": (models.LLAMA32_1B, 32_768),
    "Qwen3-0.6B": (models.QWEN3_06B, 114_688),
    "Llama-3.1-8B": (models.LLAMA31_8B, 131_072),
    "DeepSeek-V2-Lite": (models.DEEPSEEK_V2_LITE, 27 * (512 + 64) * 2),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_kv_bytes_a_token_of_published_models(name: str):
    config, expected = PUBLISHED[name]
    assert 2 * shape(config, []).kv_elements == expected


def test_one_kv_head_for_all_where_the_config_says_multi_query():
    found = shape({**config(4, 8, 0, 64, 512), "multi_query": True}, [])
    assert found.kv_elements == 4 * 2 * 64


HEADS = {
    "Falcon 7B": ({"multi_query": True, "num_kv_heads": 71, "num_attention_heads": 71, "hidden_size": 4544}, 64),
    "Falcon 40B": ({"new_decoder_architecture": True, "num_kv_heads": 8, "num_attention_heads": 128, "hidden_size": 8192}, 8 * 64),
    "DBRX": ({"attn_config": {"kv_n_heads": 8}, "n_heads": 48, "d_model": 6144}, 8 * 128),
    "GLM": ({"multi_query_group_num": 2, "kv_channels": 128, "num_attention_heads": 32, "hidden_size": 4096}, 2 * 128),
    "GPT-2": ({"n_head": 12, "n_embd": 768}, 768),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_names_that_other_families_give_their_heads(name: str):
    config, width = HEADS[name]
    assert shape({"num_hidden_layers": 1, **config}, []).kv_elements == 2 * width


def test_as_many_kv_heads_as_heads_where_the_config_names_none():
    assert shape({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 256}, []).kv_elements == 2 * 2 * 256


WINDOWS = {
    "named layer by layer": (models.GPT_OSS_20B, [128, 0] * 12),
    "every second, as Gemma 2": (models.GEMMA2_2B, [4096, 0] * 13),
    "every layer, as Mistral 0.1": (models.MISTRAL_7B, [4096] * 32),
    "a pattern, as Gemma 3": (config(6, 4, 1, 256, 640, model_type="gemma3_text", sliding_window=512), [512] * 5 + [0]),
    "letters, as EXAONE 4": (config(8, 4, 2, 64, 256, sliding_window=64, sliding_window_pattern="LLLG"), [64, 64, 64, 0] * 2),
    "chunks, as Llama 4": (config(4, 4, 2, 64, 256, attention_chunk_size=8192, no_rope_layers=[1, 1, 1, 0]), [8192] * 3 + [0]),
    "off, as Qwen2.5": (models.QWEN25_05B, [0] * 24),
    "from a layer on, as Qwen2": (config(4, 4, 2, 64, 256, use_sliding_window=True, sliding_window=64, max_window_layers=3), [0, 0, 0, 64]),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_which_layers_keep_a_window(name: str):
    config, windows = WINDOWS[name]
    assert [layer.window for layer in shape(config, []).layers] == windows


def test_layers_that_read_the_cache_of_others_keep_none():
    assert len(shape(config(30, 8, 2, 256, 2048, num_kv_shared_layers=10), []).layers) == 20


@pytest.mark.parametrize(
    "more",
    [{"layer_types": ["linear_attention"] * 3 + ["full_attention"]}, {"mamba_d_state": 16}, {"model_type": "rwkv7"}],
)
def test_models_with_state_layers_are_said_not_to_be_planned(more: dict[str, object]):
    assert "state instead of a KV cache" in shape(config(4, 4, 2, 64, 256, **more), []).unplanned


OTHERS = {
    "Mamba, without heads": ({"state_size": 16, "num_hidden_layers": 2}, "state instead of a KV cache"),
    "MiniMax-01": (config(2, 4, 2, 64, 256, attn_type_list=[0, 1]), "linear attention"),
    "DeepSeek-V3.2": (config(2, 4, 2, 64, 256, kv_lora_rank=512, index_topk=2048), "index beside the KV cache"),
    "T5": ({"is_encoder_decoder": True, "num_layers": 2, "d_model": 64}, "encoder-decoder"),
    "BERT": ({"architectures": ["BertModel"], "num_hidden_layers": 2}, "encoder, which keeps none"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_is_not_planned_says_why(name: str):
    config, reason = OTHERS[name]
    found = shape(config, [])
    assert reason in found.unplanned
    assert (found.depth, found.layers) == (2, ())


def test_masks_that_old_checkpoints_store_do_not_count():
    made = {"model_type": "gpt2", "n_layer": 1, "n_head": 12, "n_embd": 768}
    assert shape(made, [tensor("h.0.attn.bias", 1, 1, 1024, 1024), tensor("h.0.attn.c_attn.bias", 2304)]).weights == 2 * 2304


def test_a_hybrids_config_without_state_layers_is_planned():
    assert shape(config(2, 4, 2, 64, 256, mamba_d_state=16, layer_types=["attention", "attention"]), []).unplanned == ""


def test_the_language_model_inside_a_multimodal_one():
    inner = config(4, 4, 2, 64, 256)
    found = shape({"architectures": ["XForConditionalGeneration"], "text_config": inner, "vision_config": {"num_hidden_layers": 9}}, [])
    assert (len(found.layers), found.context) == (4, 32768)


def test_weights_are_the_sum_of_the_headers_and_divide_into_parts():
    made = config(2, 4, 2, 64, 256)
    tensors = [*llama(made), tensor("visual.blocks.0.attn.qkv.weight", 64, 64)]
    found = shape(made, tensors)
    assert found.weights == sum(found.parts.values()) == sum(t.bytes for t in tensors)
    assert found.parts["embedding"] == found.parts["lm_head"] == 2 * 32000 * 256
    assert found.parts["other"] == 2 * (64 * 64 + 256)
    assert len(found.linears) == 2 * 7


def test_an_output_layer_that_is_the_embedding_counts_once():
    made = config(1, 4, 2, 64, 256, tie_word_embeddings=True)
    head = tensor("lm_head.weight", 32000, 256)
    assert shape(made, [*llama(made), head]).weights == shape(made, llama(made)).weights


def test_all_experts_count_and_the_router_stays_16_bit():
    made = config(1, 4, 2, 64, 256, num_local_experts=8, num_experts_per_tok=2)
    experts = [tensor(f"model.layers.0.block_sparse_moe.experts.{i}.w1.weight", 512, 256) for i in range(8)]
    found = shape(made, [*experts, tensor("model.layers.0.block_sparse_moe.gate.weight", 8, 256)])
    assert found.parts == {"experts": 8 * 2 * 512 * 256, "layers": 2 * 8 * 256}
    assert (sum(linear.elements for linear in found.linears), found.plain) == (8 * 512 * 256, 8 * 256)


def test_experts_in_one_tensor_count_alike():
    made = config(1, 4, 2, 64, 256, num_experts=8)
    found = shape(made, [tensor("model.layers.0.mlp.experts.gate_up_proj", 8, 512, 256)])
    assert (found.linears[0].count, found.linears[0].elements) == (8, 8 * 512 * 256)


def test_layers_for_multi_token_prediction_count_where_they_speculate():
    made = config(2, 4, 2, 64, 256, num_nextn_predict_layers=1)
    tensors = [*llama(made), tensor("model.layers.2.eh_proj.weight", 256, 512)]
    plain, own = shape(made, tensors), shape(made, tensors, mtp=True)
    assert own.weights - plain.weights == 2 * 256 * 512
    assert (len(plain.layers), len(own.layers)) == (2, 3)


CONTEXTS = {
    "yarn, scaled already": ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, (32768, 32768)),
    "linear": ({"rope_scaling": {"type": "linear", "factor": 4.0}}, (131072, 131072)),
    "Gemma 3, scaled already": ({"model_type": "gemma3_text", "rope_scaling": {"rope_type": "linear", "factor": 8.0}}, (32768, 32768)),
    "by type of layer": ({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0}}}, (65536, 65536)),
    "LongRoPE": ({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}, (32768, 4096)),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_the_longest_context_and_the_one_taken_unasked(name: str):
    more, expected = CONTEXTS[name]
    found = shape(config(1, 4, 2, 64, 256, **more), [])
    assert (found.context, found.default_context) == expected


def test_a_config_of_something_else_is_named():
    with pytest.raises(StartError, match="num_hidden_layers"):
        shape({"architectures": ["UNet"]}, [])
