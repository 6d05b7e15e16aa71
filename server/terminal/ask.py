"""One short HTTP call: what does a running server serve?"""

from __future__ import annotations

import os

from server.errors import StartError


def served_models(base: str, *, timeout: float = 5.0) -> list[str]:
    """The names in `base`/v1/models. Raises StartError with what to check."""
    import httpx

    unix = base.removeprefix("unix:") if base.startswith("unix:") else None
    transport = httpx.HTTPTransport(uds=unix) if unix else None
    key = os.environ.get("OPENAI_API_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    url = f"{'http://engine' if unix else base}/v1/models"
    hint = "start it, check the address, or name its model with --model NAME"
    try:
        with httpx.Client(transport=transport, timeout=timeout, headers=headers, trust_env=False) as client:
            answer = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise StartError(f"the upstream {base} does not answer ({error or type(error).__name__}): {hint}") from None
    if answer.status_code in (401, 403):
        raise StartError(f"the upstream {base} wants a key: set OPENAI_API_KEY, or name its model with --model NAME")
    try:
        names = [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        raise StartError(f"{base}/v1/models answered {answer.status_code} without a list of models: {hint}") from None
    if not names:
        raise StartError(f"the upstream {base} serves no model: {hint}")
    return names
