#!/bin/sh
# Writes the lock files anew from the .in files: `make lock`. Needs uv and a package index.
set -eu
cd "$(dirname "$0")"
compile() { uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate "$@"; }
linux="platform_machine == '\(aarch64\|x86_64\)' and sys_platform == 'linux'"
python="python_full_version [<>=]* '[0-9.]*'"
marker_free() { # every lock is for Linux; what a line says of the Python version stays
	sed "s/ ; ($linux) or ($linux)$//; s/ ; sys_platform == 'linux'$//; s/ ; (\($python\) and $linux) or ($python and $linux)$/ ; \1/" "$1" |
		grep -v "'never'" >"$1.tmp" && mv "$1.tmp" "$1"
}

compile engine-cpu.in --override engine-cpu.overrides -o engine-cpu.txt
compile gateway.in -c engine-cpu.txt -o gateway.txt
compile semantic.in -c engine-cpu.txt -o semantic.txt
compile valkey.in -c engine-cpu.txt -o valkey.txt
compile quantize.in -c engine-cpu.txt --override quantize.overrides -o quantize.txt
compile nemo.in -c engine-cpu.txt --override nemo.overrides -o nemo.txt
compile dev.in -c engine-cpu.txt -c quantize.txt --override dev.overrides -o dev.txt
compile ray.in -c engine-cpu.txt -c quantize.txt --override ray.overrides -o ray.txt
compile engine-cuda.in --override engine-cuda.overrides -o engine-cuda.txt
compile quantize-cuda.in -c engine-cuda.txt --override quantize-cuda.overrides -o quantize-cuda.txt
compile ray-cuda.in -c engine-cuda.txt -c quantize-cuda.txt --override ray-cuda.overrides -o ray-cuda.txt
compile llm-compressor.in --override llm-compressor.overrides -o llm-compressor.txt
compile llm-compressor-cuda.in --override llm-compressor-cuda.overrides -o llm-compressor-cuda.txt
compile harness.in -o harness.txt
for file in ./*.txt; do marker_free "$file"; done
