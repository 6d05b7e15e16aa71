import pytest

from server.engine.parsers import reasoning_parser, tool_parser

HERMES = '{% if tools %}<tool_call>{"name": ...}</tool_call>{% endif %}{% if add_generation_prompt %}'


@pytest.mark.parametrize(
    ("template", "architecture", "parser"),
    [
        (HERMES, "Qwen2ForCausalLM", "hermes"),
        ("{% if tools %}<tool_call><function=name>", "Qwen3MoeForCausalLM", "qwen3_coder"),
        ("{{ tools }}<tool_call>name<arg_key>k</arg_key>", "Glm4MoeForCausalLM", "glm45"),
        ("[AVAILABLE_TOOLS][TOOL_CALLS]", "MistralForCausalLM", "mistral"),
        ("tools_in_user_message <|python_tag|>", "LlamaForCausalLM", "llama3_json"),
        ('<|start_header_id|> tools {"name": ..., "parameters": ...}', "LlamaForCausalLM", "llama3_json"),
        ("tools [func_name1(params_name1=params_value1)]", "LlamaForCausalLM", "pythonic"),
        ("tools", "Llama4ForConditionalGeneration", "llama4_pythonic"),
        ("<|channel|>commentary tools", "GptOssForCausalLM", "openai"),
        ("tools <｜tool▁calls▁begin｜>```json", "DeepseekV3ForCausalLM", "deepseek_v3"),
        ("tools <｜tool▁calls▁begin｜>", "DeepseekV3ForCausalLM", "deepseek_v31"),
        ("{{ messages }}", "LlamaForCausalLM", ""),
        ("", "", ""),
    ],
)
def test_the_tool_parser_follows_from_the_template(template: str, architecture: str, parser: str) -> None:
    assert tool_parser(template, architecture) == parser


@pytest.mark.parametrize(
    ("template", "parser"),
    [
        ("<think> enable_thinking add_generation_prompt", "qwen3"),
        ("<｜Assistant｜><think>", "deepseek_r1"),
        ("add_generation_prompt <think>", "deepseek_r1"),
        ("[THINK]", "mistral"),
        ("<|channel|>analysis", "openai_gptoss"),
        (HERMES, ""),
    ],
)
def test_a_reasoning_parser_is_chosen_only_where_the_template_says_so(template: str, parser: str) -> None:
    assert reasoning_parser(template) == parser
