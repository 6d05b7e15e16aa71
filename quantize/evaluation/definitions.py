"""What each figure is, in the words of the page."""

from __future__ import annotations

DEFINED = {
    "Disk": "Bytes of the weight files (*.safetensors).",
    "Linear ÷ bf16": (
        "Bytes of the decoder's linear layers as stored, with their scales, zero points and indices, divided by two bytes a "
        "weight. By the headers of the files."
    ),
    "Weight memory": (
        "What the engine's log says that loading the model took; where it says nothing (vLLM without a GPU), the bytes of all "
        "tensors, marked †."
    ),
    "Load": ("Seconds that reading the weights took, by the engine's log; none where it says nothing (bitsandbytes without a GPU)."),
    "Ready": "Seconds from the command `sllm serve` until the model had answered its first request.",
    "|Δ logprob|": (
        "Mean absolute difference between the model's and the baseline's logprob of the token that stands in the text, over all"
        " positions but each text's first; in nats. ± is half the 95 % bootstrap interval over texts (1000 resamples)."
    ),
    "KL top-20": (
        "Mean Kullback-Leibler divergence from the baseline, KL(baseline ‖ model), over the baseline's 20 most likely tokens "
        "and one bucket for all others; tokens that the model did not list among its 50 count with the bucket. Merging tokens "
        "never raises a divergence (data-processing inequality), so it is a lower bound of the divergence over the whole "
        "vocabulary."
    ),
    "Agreement": "Share of positions at which the baseline's most likely token is the model's most likely one too.",
    "Perplexity": (
        "exp of the mean negative logprob of a token, natural logarithm, each position's past as in the text. Only comparable "
        "between models with the same tokenizer on the same texts."
    ),
    "Exact match": (
        "Share of questions answered, greedily, with exactly the wanted text, but for white space around it. Points: the "
        "difference to the baseline in percentage points."
    ),
    "Tokens/s at N": (
        "Output tokens a second of all N streams together (N clients, each sending its next request when its last has ended; "
        "answers of a fixed length, prompts that no cache knows): the tokens of a run by the time from its first request to its"
        " last token, the median of the runs after one to warm up. Ratio: to the baseline's."
    ),
    "TTFT": (
        "Time to first token: from sending a request to the first event of its stream that carries a token, through the "
        "gateway; median and 95th percentile over the requests of all runs."
    ),
    "Tasks": "Scores of lm-evaluation-harness, asked over HTTP like everything else.",
}
