"""A model beside its baseline: every figure that the table, the page and sllm.json show, from the measurements alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from quantize.evaluation import answers, metrics
from quantize.evaluation.harness import Scores
from quantize.evaluation.measure import Made, Measurement


class Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class Logprobs(Section):
    """Over `positions` tokens of `texts` texts. The differences to the baseline are None where there is none, or where the tokens
    are others (`not_compared` says so)."""

    text: str
    texts: int
    positions: int
    perplexity: float
    baseline_perplexity: float | None = None
    mean_abs_difference: float | None = None
    mean_abs_difference_low: float | None = None
    mean_abs_difference_high: float | None = None
    kl_divergence: float | None = None
    agreement: float | None = None
    not_compared: str = ""


class ExactMatch(Section):
    """Shares of right answers. `points` is the difference to the baseline in percentage points; `lost` counts questions that only
    the baseline answered right, `won` those that only this model did."""

    file: str
    questions: int
    share: float
    by_language: Mapping[str, float] = {}
    points: float | None = None
    lost: int | None = None
    won: int | None = None


class Speed(Section):
    """Output tokens a second and seconds to the first token; `ratio` of tokens a second to the baseline's."""

    concurrency: int
    requests: int
    input_tokens: int
    output_tokens: int
    tokens_per_second: float
    ttft_p50: float
    ttft_p95: float
    ratio: float | None = None


class Result(Section):
    """`memory` is what the engine says that the weights take (`memory_from` "engine"), else the bytes of the tensors ("tensors").
    Bytes and seconds throughout."""

    name: str
    baseline: str | None
    date: str
    made: Made
    engine: str
    engine_version: str | None
    device: str | None
    disk: int
    tensors: int
    linear: int
    linear_bf16: int
    memory: int
    memory_from: str
    load_seconds: float | None
    ready_seconds: float
    context: int
    logprobs: Logprobs | None = None
    exact_match: ExactMatch | None = None
    speed: tuple[Speed, ...] = ()
    harness: Scores = {}
    measurement: Measurement = Field(exclude=True, repr=False)

    @property
    def linear_share(self) -> float | None:
        """Bytes of the linear layers by those of the same layers in bf16."""
        return self.linear / self.linear_bf16 if self.linear_bf16 else None

    @property
    def is_baseline(self) -> bool:
        return self.name == self.baseline

    def to_dict(self) -> dict[str, Any]:
        """For sllm.json: the figures without what they were computed from."""
        return self.model_dump(mode="json")


def compare(measurement: Measurement, baseline: Measurement | None = None) -> Result:
    """The figures of `measurement`, and their differences to `baseline`'s."""
    sizes, engine = measurement.sizes, measurement.engine
    return Result(
        name=measurement.name,
        baseline=baseline.name if baseline else None,
        date=measurement.date,
        made=measurement.made,
        engine=measurement.distribution,
        engine_version=engine.version,
        device=engine.device,
        disk=sizes.disk,
        tensors=sizes.tensors,
        linear=sizes.linear,
        linear_bf16=sizes.linear_bf16,
        memory=engine.memory if engine.memory is not None else sizes.tensors,
        memory_from="engine" if engine.memory is not None else "tensors",
        load_seconds=engine.load_seconds,
        ready_seconds=measurement.ready_seconds,
        context=measurement.context,
        logprobs=_logprobs(measurement, baseline),
        exact_match=_exact_match(measurement, baseline),
        speed=_speed(measurement, baseline),
        harness=measurement.harness,
        measurement=measurement,
    )


def _logprobs(measurement: Measurement, baseline: Measurement | None) -> Logprobs | None:
    positions = measurement.positions
    if positions is None:
        return None
    own = Logprobs(
        text=measurement.text or "",
        texts=len(positions.texts),
        positions=len(positions),
        perplexity=metrics.perplexity(positions),
    )
    if baseline is None:
        return own
    theirs = baseline.positions
    if theirs is None:
        return own.model_copy(update={"not_compared": f"the logprobs of {baseline.name} were not measured"})
    if not positions.same_texts(theirs):
        why = "other texts were read" if measurement.text != baseline.text else "the tokenizers cut the texts into other tokens"
        return own.model_copy(update={"not_compared": f"{why} than those of {baseline.name}"})
    apart = metrics.differences(positions, theirs)
    low, high = metrics.interval(apart, positions.texts, measurement.seed)
    figures = {
        "baseline_perplexity": metrics.perplexity(theirs),
        "mean_abs_difference": metrics.mean(apart),
        "mean_abs_difference_low": low,
        "mean_abs_difference_high": high,
        "kl_divergence": metrics.mean(metrics.kl_divergence(positions, theirs)),
        "agreement": metrics.agreement(positions, theirs),
    }
    return own.model_copy(update=figures)


def _exact_match(measurement: Measurement, baseline: Measurement | None) -> ExactMatch | None:
    mine = measurement.answers
    if not mine:
        return None
    own = ExactMatch(
        file=measurement.questions or "",
        questions=len(mine),
        share=answers.share_right(mine),
        by_language=answers.by_language(mine),
    )
    theirs = baseline.answers if baseline else ()
    if [(a.prompt, a.wanted) for a in mine] != [(a.prompt, a.wanted) for a in theirs]:
        return own
    pairs = list(zip(mine, theirs, strict=True))
    figures = {
        "points": 100 * (own.share - answers.share_right(theirs)),
        "lost": sum(b.right and not a.right for a, b in pairs),
        "won": sum(a.right and not b.right for a, b in pairs),
    }
    return own.model_copy(update=figures)


def _speed(measurement: Measurement, baseline: Measurement | None) -> tuple[Speed, ...]:
    """Compared where the baseline ran at the same concurrency with prompts and answers of the same length."""
    others = {(o.concurrency, o.input_tokens, o.output_tokens): o for o in (baseline.loads if baseline else ())}
    found = []
    for load in measurement.loads:
        other = others.get((load.concurrency, load.input_tokens, load.output_tokens))
        found.append(
            Speed(
                concurrency=load.concurrency,
                requests=sum(map(len, load.runs)),
                input_tokens=load.input_tokens,
                output_tokens=load.output_tokens,
                tokens_per_second=load.tokens_per_second,
                ttft_p50=load.ttft(0.5),
                ttft_p95=load.ttft(0.95),
                ratio=load.tokens_per_second / other.tokens_per_second if other else None,
            )
        )
    return tuple(found)
