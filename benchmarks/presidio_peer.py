"""Presidio's own recognisers on our labelled texts, beside ours: python -m benchmarks.presidio_peer FILE.jsonl [FILE.jsonl]

Presidio runs in an environment of its own under .tools, with its pattern recognisers and its phone recogniser (which need
no language model), the five Korean ones included. Its scores are counted from two thresholds: 0, everything a pattern
matches; and 0.4, where its weak patterns need context words. Without its NLP engine (spaCy and a model) no context words are
read, so its driver's licences, passports and business numbers stay below 0.4; that is said in the figures' README too.
Entities that it has no recogniser for (Korean accounts, addresses) count as missed in `all`, and not in `shared`.
Ours is `sllm guard test` on the same file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import install
from benchmarks.provenance import ROOT, provenance, version_of

PACKAGE, VERSION = "presidio-analyzer", "2.2.366"
FOLDER = ROOT / ".tools" / "presidio"
RESULTS = ROOT / "benchmarks/results/guards"
THRESHOLDS = (0.0, 0.4)
RECOGNISERS = {  # Presidio's class -> our category
    "KrRrnRecognizer": "resident_number",
    "KrFrnRecognizer": "foreigner_number",
    "KrBrnRecognizer": "business_number",
    "KrDriverLicenseRecognizer": "drivers_license",
    "KrPassportRecognizer": "passport",
    "CreditCardRecognizer": "card",
    "EmailRecognizer": "email",
    "IpRecognizer": "ip",
    "IbanRecognizer": "iban",
    "UsSsnRecognizer": "us_ssn",
    "UkNinoRecognizer": "uk_nino",
    "NhsRecognizer": "uk_nhs",
    "CryptoRecognizer": "crypto",
    "ItFiscalCodeRecognizer": "it_fiscal_code",
    "EsNifRecognizer": "es_nif",
    "SgFinRecognizer": "sg_nric",
    "InAadhaarRecognizer": "in_aadhaar",
    "PhoneRecognizer": "phone",
}
REGIONS = ("KR", "US", "GB", "DE")

Span = tuple[int, int, str]


def inside(path: Path) -> None:
    """In Presidio's environment: every text's findings as JSON lines, [[start, end, category, score], ...]."""
    from presidio_analyzer import predefined_recognizers  # type: ignore[import-not-found, unused-ignore]

    made = []
    for name, category in RECOGNISERS.items():
        kind = getattr(predefined_recognizers, name)
        recogniser = kind(supported_regions=list(REGIONS)) if name == "PhoneRecognizer" else kind()
        made.append((recogniser, category))
    for line in path.read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["text"]
        began = time.perf_counter()
        found = [
            [result.start, result.end, category, result.score]
            for recogniser, category in made
            for result in recogniser.analyze(text, recogniser.supported_entities, None) or []
        ]
        print(json.dumps({"found": found, "seconds": time.perf_counter() - began}))


def presidio(path: Path) -> list[dict[str, Any]]:
    """What it finds in each text. Raises CalledProcessError."""
    command = [str(FOLDER / "bin/python"), str(Path(__file__).resolve()), "--inside", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"found"')]


def ours(path: Path) -> dict[str, Any]:
    """`sllm guard test` on the file. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pii.yaml"
        config.write_text("guards:\n  - {kind: pii}\n")
        command = [sys.executable, "-m", "sllm", "guard", "test", str(path), "--config", str(config), "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def resolved(found: list[list[Any]], threshold: float) -> set[Span]:
    """Its own rule for findings that overlap: the higher score stays, then the longer one."""
    kept: list[list[Any]] = []
    for each in sorted((f for f in found if f[3] >= threshold), key=lambda f: (-f[3], f[0] - f[1])):
        if all(each[1] <= other[0] or other[1] <= each[0] for other in kept):
            kept.append(each)
    return {(start, end, category) for start, end, category, _ in kept}


def figures(lines: list[dict[str, Any]], said: list[set[Span]], categories: set[str] | None) -> dict[str, Any]:
    """Exact spans: same characters, same category. `categories`: only these are counted."""
    tp = fp = fn = clean = wrong = 0
    by_class: dict[str, list[int]] = {}
    for line, found in zip(lines, said, strict=True):
        gold = {(start, end, category) for start, end, category in line["spans"] if categories is None or category in categories}
        tp, fp, fn = tp + len(found & gold), fp + len(found - gold), fn + len(gold - found)
        if not line["spans"]:
            clean, wrong = clean + 1, wrong + bool(found)
        elif gold:
            counts = by_class.setdefault(line["class"], [0, 0])
            counts[0], counts[1] = counts[0] + len(found & gold), counts[1] + len(gold)
    return {
        "precision": round(tp / max(tp + fp, 1), 4),
        "recall": round(tp / max(tp + fn, 1), 4),
        "f1": round(2 * tp / max(2 * tp + fp + fn, 1), 4),
        "clean_texts_flagged": round(wrong / max(clean, 1), 4),
        "recall_by_class": {name: round(right / every, 3) for name, (right, every) in sorted(by_class.items())},
    }


def measured(path: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    peer = presidio(path)
    report: dict[str, Any] = {"texts": len(lines), "ours": ours(path)["all"], "presidio": {}}
    for threshold in THRESHOLDS:
        said = [resolved(each["found"], threshold) for each in peer]
        report["presidio"][f"from {threshold}"] = {
            "all": figures(lines, said, None),
            "shared": figures(lines, said, set(RECOGNISERS.values())),
        }
    report["presidio"]["ms_a_text"] = round(1000 * sum(each["seconds"] for each in peer) / len(peer), 3)
    return report


def main(paths: list[Path]) -> None:
    install(FOLDER, PACKAGE, VERSION)
    command = "python -m benchmarks.presidio_peer " + " ".join(str(path) for path in paths)
    result = {
        "command": command,
        **provenance(("google-re2",)),
        "presidio": version_of(PACKAGE, str(FOLDER / "bin/python")),
        "regions": REGIONS,
        "sets": {path.name: measured(path) for path in paths},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    target = RESULTS / f"{result['date'][:10]}-presidio.json"
    target.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, report in result["sets"].items():
        print(f"{name}: ours {json.dumps(report['ours']['exact'])}")
        for threshold in THRESHOLDS:
            shown = {k: v for k, v in report["presidio"][f"from {threshold}"]["all"].items() if k != "recall_by_class"}
            print(f"  presidio from {threshold}: {json.dumps(shown)}")
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        main([Path(argument) for argument in sys.argv[1:]])
    else:
        sys.exit("usage: python -m benchmarks.presidio_peer server/guards/data/pii.jsonl [more.jsonl]")
