"""Which of vLLM's parsers reads a model's tool calls and its reasoning, told from the chat template.

Rows are tried in order; the first whose marks all stand in the template wins. Names are vLLM's, present in 0.25 to 0.33.
"""

from __future__ import annotations

TOOL_PARSERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<tool_call>", "<function="), "qwen3_coder"),
    (("<tool_call>", "<arg_key>"), "glm45"),
    (("<minimax:tool_call>",), "minimax_m2"),
    (("<|tool_calls_section_begin|>",), "kimi_k2"),
    (("<｜tool▁calls▁begin｜>", "```json"), "deepseek_v3"),
    (("<｜tool▁calls▁begin｜>",), "deepseek_v31"),
    (("<|channel|>", "commentary"), "openai"),
    (("[TOOL_CALLS]",), "mistral"),
    (("<|tool_call_start|>",), "lfm2"),
    (("functools[",), "phi4_mini_json"),
    (("<tool_call>",), "hermes"),
    (("<|tool_call|>",), "granite"),
    (("func_name1(params_name1=",), "pythonic"),
    (("<|python_tag|>",), "llama3_json"),
    (("<|start_header_id|>", '"parameters"', "tools"), "llama3_json"),
)

TOOL_PARSERS_BY_ARCHITECTURE = {"Llama4ForConditionalGeneration": "llama4_pythonic", "GptOssForCausalLM": "openai"}

REASONING_PARSERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<|channel|>", "analysis"), "openai_gptoss"),
    (("[THINK]",), "mistral"),
    (("<seed:think>",), "seed_oss"),
    (("<think>", "<arg_key>"), "glm45"),
    (("<think>", "<minimax:tool_call>"), "minimax_m2"),
    (("<think>", "enable_thinking"), "qwen3"),
    (("<think>", "<｜Assistant｜>"), "deepseek_r1"),
    (("<think>", "add_generation_prompt"), "deepseek_r1"),
)


def tool_parser(template: str, architecture: str = "") -> str:
    """The `--tool-call-parser` for a chat template, or "" where it knows no tools."""
    if architecture in TOOL_PARSERS_BY_ARCHITECTURE:
        return TOOL_PARSERS_BY_ARCHITECTURE[architecture]
    return _first(TOOL_PARSERS, template) if "tools" in template or "[TOOL_CALLS]" in template else ""


def reasoning_parser(template: str) -> str:
    """The `--reasoning-parser` for a chat template, or "" where it does not reason."""
    return _first(REASONING_PARSERS, template)


def _first(rows: tuple[tuple[tuple[str, ...], str], ...], template: str) -> str:
    return next((name for marks, name in rows if all(mark in template for mark in marks)), "")
