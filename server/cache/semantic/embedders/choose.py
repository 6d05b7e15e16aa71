"""From the configuration's word to an embedder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from server.cache.semantic.embedders.base import Embedder, Post
from server.errors import ConfigError

if TYPE_CHECKING:
    from server.settings import Semantic


def choose(settings: Semantic, served: Collection[str] = (), post: Callable[[str], Post] | None = None) -> Embedder:
    """`ngram`, a URL, one of the `served` models (asked with `post(name)`), else an ONNX folder or hub id. Raises ConfigError."""
    word = settings.embedder
    if word == "ngram":
        from server.cache.semantic.embedders.ngram import NGram

        return NGram()
    if "://" in word:
        from server.cache.semantic.embedders.endpoint import Remote

        if settings.embedder_model is None:
            raise ConfigError(f"cache.semantic.embedder is {word}: name its model, `embedder_model: NAME`.")
        return Remote(word, settings.embedder_model, settings.prefix, settings.embedder_key, timeout=10.0)
    if word in served and post is not None:
        from server.cache.semantic.embedders.endpoint import Endpoint

        return Endpoint("served", word, settings.prefix, post(word), deadline=0.25)
    from server.cache.semantic.embedders.onnx import Onnx

    return Onnx(word, settings.prefix)
