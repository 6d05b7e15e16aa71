from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loadgen.records import Record
from benchmarks.metrics import definitions
from benchmarks.metrics.definitions import DEFINITIONS, TOOLS
from tests.benchmarks import sample_levels

DOCS = Path(__file__).resolve().parents[3] / "docs/bench-metrics.md"


def chat(tokens: int | None = 3) -> Record:
    """Sent at 1.0; role event at 1.1; text at 1.2, 1.3, 1.5; an empty event with the finish reason at 1.6; [DONE] at 1.7."""
    record = Record(0, input_tokens=8, output_limit=3, sent=1.0, status=200, first=1.1, first_content=1.2, last=1.5, end=1.7)
    record.times = [1.1, 1.2, 1.3, 1.5, 1.6]
    record.completion_tokens = tokens
    return record


def samples(metric: str, tool: str, record: Record) -> list[float]:
    rule = DEFINITIONS[metric][tool]
    assert rule is not None
    return [round(value, 9) for value in rule.samples(record)]


@pytest.mark.parametrize(("tool", "seconds"), [("vllm", 0.1), ("guidellm", 0.2), ("aiperf", 0.2)])
def test_ttft_ends_at_the_role_event_for_vllm_and_at_the_first_text_for_the_others(tool: str, seconds: float) -> None:
    assert samples("ttft_ms", tool, chat()) == [seconds]


@pytest.mark.parametrize(("tool", "seconds"), [("vllm", 0.6), ("guidellm", 0.7), ("aiperf", 0.5)])
def test_e2e_ends_at_the_last_event_the_end_or_the_last_text(tool: str, seconds: float) -> None:
    assert samples("e2e_ms", tool, chat()) == [seconds]


def test_tpot_divides_by_n_less_one_for_vllm_and_by_n_with_ttft_in_it_for_guidellm() -> None:
    assert samples("tpot_ms", "vllm", chat()) == [0.25]  # (0.6 - 0.1) / 2
    assert samples("tpot_ms", "guidellm", chat()) == [round(0.5 / 3, 9)]
    assert DEFINITIONS["tpot_ms"]["aiperf"] is None


def test_itl_pools_gaps_for_vllm_and_is_a_mean_a_request_for_the_others() -> None:
    assert samples("itl_ms", "vllm", chat()) == [0.1, 0.1, 0.2, 0.1]
    assert samples("itl_ms", "guidellm", chat()) == [0.15]
    assert samples("itl_ms", "aiperf", chat()) == [0.15]


def test_one_token_has_no_time_per_token_but_for_guidellm() -> None:
    assert samples("tpot_ms", "vllm", chat(1)) == []
    assert samples("itl_ms", "guidellm", chat(1)) == []
    assert samples("itl_ms", "aiperf", chat(1)) == []
    assert samples("tpot_ms", "guidellm", chat(1)) == [0.5]


def test_without_usage_the_events_with_text_are_the_tokens() -> None:
    assert definitions.output_tokens(chat(None)) == 3
    assert definitions.input_tokens(chat(None)) == 8


@pytest.mark.parametrize("metric", DEFINITIONS)
def test_an_answer_without_events_has_no_sample(metric: str) -> None:
    nothing = Record(0, sent=1.0, completion_tokens=0)
    assert [rule.samples(nothing) for rule in DEFINITIONS[metric].values() if rule] == [[]] * sum(map(bool, DEFINITIONS[metric].values()))


def test_failed_requests_are_in_no_distribution() -> None:
    failed = chat()
    failed.error = "ended early"
    for by_tool in DEFINITIONS.values():
        for rule in by_tool.values():
            assert rule is None or rule.of([failed]) is None


def mixed() -> list[Record]:
    """Ninety requests of a crowded server, some failed, some cut to one or two tokens."""
    records = sample_levels.level(sample_levels.arrivals(14, 90), failed=0.1, seed=4).records
    for record in records:
        if record.error is None and record.index % 7 == 0:
            record.completion_tokens = tokens = 1 if record.index % 2 else 2
            record.times = record.times[: tokens + 1]
            record.last = record.times[-1]
            record.end = record.last + 3e-4
    return records


# mean, p50, p99 that the tools' own code returns for mixed(): vLLM 0.32.0 calculate_metrics; guidellm 0.8.1 GenerativeRequestStats
# and StatusDistributionSummary; aiperf 0.13.0 TTFTMetric, InterTokenLatencyMetric, RequestLatencyMetric, metric_result_from_array
THEIRS = {
    ("ttft_ms", "vllm"): (49.28401673623216, 41.31136604920638, 154.92036078729313),
    ("tpot_ms", "vllm"): (13.65618409461437, 13.753283550216254, 15.665096578476776),
    ("itl_ms", "vllm"): (13.207180906857696, 13.524468153492952, 17.800016719336533),
    ("e2e_ms", "vllm"): (413.6749116362817, 453.8939356930611, 615.3320641726558),
    ("ttft_ms", "guidellm"): (49.3340167362321, 41.36136604920626, 171.3792784513597),
    ("tpot_ms", "guidellm"): (14.993457495987503, 14.553305537938794, 20.02745250613991),
    ("itl_ms", "guidellm"): (13.701991063300465, 13.751670646990446, 15.572379189557859),
    ("e2e_ms", "guidellm"): (413.974911636282, 454.19393569306135, 641.1784801964773),
    ("ttft_ms", "aiperf"): (49.33401668674699, 41.361366, 154.97036049999986),
    ("itl_ms", "aiperf"): (13.650800766233768, 13.75167064516129, 15.651870747096773),
    ("e2e_ms", "aiperf"): (413.6749116144578, 453.893935, 615.3320646999998),
}


@pytest.mark.parametrize(("metric", "tool"), THEIRS)
def test_the_figures_are_those_of_the_tools_own_code(metric: str, tool: str) -> None:
    rule = DEFINITIONS[metric][tool]
    assert rule is not None
    found = rule.of(mixed())
    assert found is not None
    assert (found["mean"], found["p50"], found["p99"]) == pytest.approx(THEIRS[metric, tool], abs=1e-3)


def test_every_definition_has_its_source_in_the_docs() -> None:
    page = DOCS.read_text()
    for by_tool in DEFINITIONS.values():
        assert set(by_tool) == set(TOOLS)
        for rule in filter(None, by_tool.values()):
            assert rule.words
            assert rule.source.partition(":")[0].rpartition("/")[2] in page, rule.source
