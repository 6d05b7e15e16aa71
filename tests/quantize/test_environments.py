"""Which Python runs a method, and what is said where something is missing."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from quantize.environments import python, require
from quantize.errors import MissingLibrary
from quantize.methods.method import Method

METHOD = Method("some", "", "json", "engine", "", "gptq", (4,), run=lambda job, report: None, peak=lambda source, recipe: 0)


def install(root: Path, library: bool = True) -> Path:
    """A folder that looks like llm-compressor's environment."""
    found = root / ".tools" / "llm-compressor" / "bin" / "python"
    found.parent.mkdir(parents=True)
    found.symlink_to(sys.executable)
    if library:
        package = root / ".tools" / "llm-compressor" / "lib" / "python3.11" / "site-packages" / "llmcompressor"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    return found


def test_the_engines_methods_run_with_this_python(tmp_path):
    assert python("engine", tmp_path, {}) == Path(sys.executable)


def test_llm_compressors_python_is_the_one_under_the_root(tmp_path):
    found = install(tmp_path)
    assert python("llm-compressor", tmp_path, {}) == found


def test_without_llm_compressor_the_error_says_what_to_type(tmp_path):
    with pytest.raises(MissingLibrary, match=r"llm-compressor is not installed: make install-quantize"):
        python("llm-compressor", tmp_path, {})


def test_an_installation_that_was_broken_off_counts_as_missing(tmp_path):
    install(tmp_path, library=False)
    with pytest.raises(MissingLibrary, match="make install-quantize"):
        python("llm-compressor", tmp_path, {})


def test_the_variable_names_another_python(tmp_path):
    own = tmp_path / "own"
    own.symlink_to(sys.executable)
    assert python("llm-compressor", tmp_path, {"SLLM_LLM_COMPRESSOR": str(own)}) == own


def test_a_variable_that_names_no_program_is_named_in_the_error(tmp_path):
    with pytest.raises(MissingLibrary, match=r"SLLM_LLM_COMPRESSOR is '/no/such'.*or unset it"):
        python("llm-compressor", tmp_path, {"SLLM_LLM_COMPRESSOR": "/no/such"})


def test_a_missing_library_is_named_with_what_to_type(tmp_path):
    with pytest.raises(MissingLibrary, match=r"some needs no_such_library.*make install-quantize"):
        require(replace(METHOD, library="no_such_library"), tmp_path, {})


def test_a_method_of_llm_compressor_needs_its_environment(tmp_path):
    with pytest.raises(MissingLibrary, match="make install-quantize"):
        require(replace(METHOD, environment="llm-compressor"), tmp_path, {})
    install(tmp_path)
    require(replace(METHOD, environment="llm-compressor"), tmp_path, {})


@pytest.mark.skipif(find_spec("accelerate") is None, reason="needs make install-quantize")
def test_libraries_that_are_installed_are_found(tmp_path):
    require(METHOD, tmp_path, {})
