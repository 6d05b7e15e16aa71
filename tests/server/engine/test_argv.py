import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine import argv, checkpoint
from server.engine.machine import Machine
from server.engine.manifest import Manifest, Serve
from server.settings import Model
from tests.server.engine.conftest import CPU, write_model

GPU = Machine("cuda", 16, 100 * 2**30, "0.33.0", ("vllm", "serve"))
GIB = 2**30


@pytest.fixture
def parts(tmp_path: Path) -> argv.Parts:
    return argv.Parts(Model(name="m", path="x"), checkpoint.inspect(write_model(tmp_path / "model")), Path("/run/e0.sock"))


def of(parts: argv.Parts, **model: Any) -> argv.Parts:
    return replace(parts, model=Model(name="m", path="x", **model))


def flags(parts: argv.Parts, machine: Machine = CPU) -> dict[str, Any]:
    """The command line read back: a flag's words, or True where it has none."""
    words = argv.command(parts, machine, {}).argv
    read: dict[str, Any] = {}
    for word in words[3:]:
        if word.startswith("--"):
            name = word
            read[name] = True
        else:
            read[name] = word if read[name] is True else [read[name], word] if isinstance(read[name], str) else [*read[name], word]
    return read


def test_the_model_folder_follows_the_servers_command(parts: argv.Parts) -> None:
    assert argv.command(parts, CPU, {}).argv[:3] == ("vllm", "serve", str(parts.checkpoint.path))


def test_the_engine_listens_on_its_socket_alone(parts: argv.Parts) -> None:
    read = flags(parts)
    assert read["--uds"] == "/run/e0.sock"
    assert "--host" not in read
    assert "--port" not in read


def test_a_chat_model_takes_the_context_that_fits_and_priorities(parts: argv.Parts) -> None:
    read = flags(parts)
    assert (read["--max-model-len"], read["--scheduling-policy"]) == ("auto", "priority")
    assert flags(of(parts, max_model_len=512))["--max-model-len"] == "512"


def test_the_type_of_the_kv_cache_is_said_where_it_is_set(parts: argv.Parts) -> None:
    assert "--kv-cache-dtype" not in flags(parts)
    assert flags(of(parts, kv_cache_dtype="fp8"))["--kv-cache-dtype"] == "fp8"


def test_a_checkpoints_flags_stand_under_the_configurations(parts: argv.Parts) -> None:
    made = Manifest("gptq", serve=Serve(flags={"kv_cache_dtype": "fp8", "dtype": "float16", "uds": "/elsewhere"}))
    read = flags(replace(of(parts, dtype="bfloat16"), manifest=made))
    assert (read["--kv-cache-dtype"], read["--dtype"], read["--uds"]) == ("fp8", "bfloat16", "/run/e0.sock")


def test_a_quantization_that_is_said_beside_the_config_is_told_to_the_engine(parts: argv.Parts) -> None:
    old = replace(parts, checkpoint=replace(parts.checkpoint, quantization="awq", said_beside=True))
    assert flags(old)["--quantization"] == "awq"
    assert "--quantization" not in flags(replace(parts, checkpoint=replace(parts.checkpoint, quantization="awq")))


def test_a_plugin_that_breaks_this_engine_is_kept_out(parts: argv.Parts) -> None:
    old = replace(CPU, version="0.27.1", plugins=(("bitsandbytes", "vllm-bnb-plugin"),))
    assert argv.command(parts, old, {}).env["VLLM_PLUGINS"] == ""
    assert "VLLM_PLUGINS" not in argv.command(parts, replace(old, version="0.32.0"), {}).env


def test_requests_may_finish_while_the_engine_ends(parts: argv.Parts) -> None:
    assert flags(replace(parts, drain=12.4))["--shutdown-timeout"] == "12"
    assert flags(replace(parts, drain=0.0))["--shutdown-timeout"] == "1"


def test_type_and_quantization_are_left_to_the_checkpoint_unless_named(parts: argv.Parts) -> None:
    assert not {"--dtype", "--quantization"} & flags(parts).keys()
    read = flags(of(parts, dtype="float16", quantization="awq"))
    assert (read["--dtype"], read["--quantization"]) == ("float16", "awq")


@pytest.mark.parametrize("task", ["embed", "score"])
def test_an_embedding_or_scoring_model_pools(parts: argv.Parts, task: Any) -> None:
    read = flags(replace(parts, checkpoint=replace(parts.checkpoint, task=task)))
    assert read["--runner"] == "pooling"
    assert not {"--max-model-len", "--convert", "--scheduling-policy", "--tool-call-parser"} & read.keys()


def test_a_chat_model_can_be_made_to_embed(parts: argv.Parts) -> None:
    read = flags(of(parts, task="embed", max_model_len=128))
    assert (read["--runner"], read["--convert"], read["--max-model-len"]) == ("pooling", "embed", "128")
    assert flags(of(parts, task="score"))["--convert"] == "classify"


@pytest.mark.parametrize(
    ("speculative", "expected"),
    [
        (
            {"method": "ngram"},
            {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4, "prompt_lookup_min": 2},
        ),
        (
            {"method": "ngram", "tokens": 6, "engine_args": {"prompt_lookup_max": 8}},
            {"method": "ngram", "num_speculative_tokens": 6, "prompt_lookup_max": 8, "prompt_lookup_min": 2},
        ),
        ({"method": "suffix"}, {"method": "suffix"}),
        ({"method": "suffix", "tokens": 8}, {"method": "suffix", "num_speculative_tokens": 8}),
        ({"method": "mtp", "tokens": 1}, {"method": "mtp", "num_speculative_tokens": 1}),
    ],
)
def test_speculative_decoding_without_a_draft(parts: argv.Parts, speculative: Any, expected: Any) -> None:
    assert json.loads(flags(of(parts, speculative=speculative))["--speculative-config"]) == expected


@pytest.mark.parametrize("method", ["draft_model", "eagle", "eagle3"])
def test_speculative_decoding_with_a_draft_names_its_folder(parts: argv.Parts, method: str) -> None:
    drafted = replace(of(parts, speculative={"method": method, "model": "d"}), draft=Path("/d"))
    read = json.loads(flags(drafted)["--speculative-config"])
    assert read == {"method": method, "num_speculative_tokens": 4, "model": "/d"}


@pytest.mark.parametrize(("rank", "flag"), [(4, "8"), (8, "8"), (9, "16"), (64, "64"), (500, "512"), (1000, "1000")])
def test_adapters_are_named_and_the_rank_is_one_that_vllm_takes(parts: argv.Parts, rank: int, flag: str) -> None:
    read = flags(replace(parts, adapters={"a": Path("/a"), "b": Path("/b")}, adapter_rank=rank))
    assert read["--enable-lora"] is True
    assert read["--lora-modules"] == ["a=/a", "b=/b"]
    assert (read["--max-lora-rank"], read["--max-loras"]) == (flag, "2")


def test_without_adapters_lora_is_off(parts: argv.Parts) -> None:
    assert "--enable-lora" not in flags(parts)


def test_parsers_come_from_the_checkpoint(parts: argv.Parts) -> None:
    read = flags(replace(parts, checkpoint=replace(parts.checkpoint, tool_parser="hermes", reasoning_parser="qwen3")))
    assert (read["--tool-call-parser"], read["--enable-auto-tool-choice"], read["--reasoning-parser"]) == ("hermes", True, "qwen3")


def test_parsers_can_be_named_or_turned_off(parts: argv.Parts) -> None:
    known = replace(parts, checkpoint=replace(parts.checkpoint, tool_parser="hermes", reasoning_parser="qwen3"))
    assert not {"--tool-call-parser", "--reasoning-parser"} & flags(of(known, tool_parser="none", reasoning_parser="none")).keys()
    assert flags(of(known, tool_parser="mistral"))["--tool-call-parser"] == "mistral"


def test_a_chat_template_replaces_the_models_own(parts: argv.Parts) -> None:
    assert flags(of(parts, chat_template="/t.jinja"))["--chat-template"] == "/t.jinja"


def test_engine_args_win_by_either_spelling(parts: argv.Parts) -> None:
    read = flags(of(parts, engine_args={"max_num_seqs": 8, "--shutdown-timeout": 3, "enforce-eager": False, "max-model-len": None}))
    assert (read["--max-num-seqs"], read["--shutdown-timeout"], read["--no-enforce-eager"]) == ("8", "3", True)
    assert not {"--enforce-eager", "--max-model-len"} & read.keys()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, ["--f"]),
        (False, ["--no-f"]),
        (None, []),
        (3, ["--f", "3"]),
        ("x", ["--f", "x"]),
        ({"a": 1}, ["--f", '{"a": 1}']),
        (["a", 2], ["--f", "a", "2"]),
        ([{"a": 1}], ["--f", '{"a": 1}']),
    ],
)
def test_values_become_words(value: Any, words: list[str]) -> None:
    assert argv.render({"f": value}) == words


def test_without_a_gpu_the_engine_is_eager_and_its_cache_modest(parts: argv.Parts) -> None:
    command = argv.command(parts, CPU, {})
    assert "--enforce-eager" in command.argv
    assert command.env["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert "--gpu-memory-utilization" not in command.argv


def test_a_small_memory_gets_a_tenth_as_cache(parts: argv.Parts) -> None:
    small = replace(CPU, memory=5 * GIB)
    assert flags(parts, small)["--kv-cache-memory-bytes"] == str(GIB // 2)
    assert "VLLM_CPU_KVCACHE_SPACE" not in argv.command(parts, small, {}).env


def test_the_users_own_cache_flag_is_not_overruled_by_our_variable(parts: argv.Parts) -> None:
    command = argv.command(of(parts, engine_args={"kv_cache_memory_bytes": 1000}), CPU, {})
    assert "VLLM_CPU_KVCACHE_SPACE" not in command.env


def test_the_configured_cache_size_counts_on_both_kinds(parts: argv.Parts) -> None:
    wanted = of(parts, kv_cache_memory="2GiB")
    assert argv.command(wanted, CPU, {}).env["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert flags(wanted, GPU)["--kv-cache-memory-bytes"] == str(2 * GIB)


@pytest.mark.parametrize(
    ("cpus", "engines", "expected"),
    [
        (1, 1, {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}),
        (2, 2, {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}),
        (4, 1, {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "3"}),
        (16, 1, {}),
        (16, 2, {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "7"}),
    ],
)
def test_threads_of_cpu_engines(parts: argv.Parts, cpus: int, engines: int, expected: dict[str, str]) -> None:
    env = argv.command(replace(parts, engines=engines), replace(CPU, cpus=cpus), {}).env
    names = ("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_OMP_THREADS_BIND", "OMP_NUM_THREADS")
    assert {name: env[name] for name in names if name in env} == expected


def test_the_users_environment_wins(parts: argv.Parts) -> None:
    env = argv.command(parts, CPU, {"VLLM_CPU_KVCACHE_SPACE": "7", "HF_HUB_OFFLINE": "1"}).env
    assert (env["VLLM_CPU_KVCACHE_SPACE"], env["HF_HUB_OFFLINE"], env["VLLM_NO_USAGE_STATS"]) == ("7", "1", "1")


def test_on_a_gpu_nothing_of_the_cpu_is_set(parts: argv.Parts) -> None:
    command = argv.command(parts, GPU, {})
    assert "--enforce-eager" not in command.argv
    assert not {"VLLM_CPU_KVCACHE_SPACE", "OMP_NUM_THREADS"} & command.env.keys()


def test_the_share_of_the_gpu_is_given_or_the_users_own(parts: argv.Parts) -> None:
    assert "--gpu-memory-utilization" not in flags(parts, GPU)
    assert flags(replace(parts, share=0.4), GPU)["--gpu-memory-utilization"] == "0.4"
    assert flags(replace(of(parts, gpu_memory_utilization=0.7), share=0.4), GPU)["--gpu-memory-utilization"] == "0.7"


def test_batch_work_steps_aside_where_that_was_tested_and_requests_have_priorities(parts: argv.Parts) -> None:
    assert flags(parts)["--scheduler-cls"] == "sllm_scheduler.scheduler"
    assert "--scheduler-cls" not in flags(parts, GPU)
    assert "--scheduler-cls" not in flags(of(parts, engine_args={"scheduling-policy": "fcfs"}))
    assert "--scheduler-cls" not in flags(of(parts, engine_args={"scheduler-cls": None}))


def test_the_engine_finds_our_scheduler_before_what_the_user_has_on_the_path(parts: argv.Parts) -> None:
    assert argv.command(parts, CPU, {}).env["PYTHONPATH"] == str(argv.INSIDE)
    assert argv.command(parts, CPU, {"PYTHONPATH": "/mine"}).env["PYTHONPATH"] == f"{argv.INSIDE}:/mine"
    named = of(parts, engine_args={"scheduler-cls": argv.SCHEDULER})
    assert argv.command(named, GPU, {}).env["PYTHONPATH"] == str(argv.INSIDE)
    assert "PYTHONPATH" not in argv.command(parts, GPU, {}).env


def test_the_requests_that_run_at_a_time_are_told_where_we_say_them(parts: argv.Parts) -> None:
    assert argv.command(parts, CPU, {}).slots == 256
    assert argv.command(of(parts, engine_args={"max_num_seqs": 32}), CPU, {}).slots == 32
    assert argv.command(parts, GPU, {}).slots == 0


def test_priorities_are_taken_unless_the_policy_is_another(parts: argv.Parts) -> None:
    assert argv.takes_priority(parts)
    assert not argv.takes_priority(of(parts, engine_args={"scheduling_policy": "fcfs"}))
    assert not argv.takes_priority(of(parts, task="embed"))
