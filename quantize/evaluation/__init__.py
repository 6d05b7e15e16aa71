"""What a model is worth as it is served: quality, size and speed, measured through the engine, and compared with a baseline.

    measurement = measure(folder, Options(), print)
    result = compare(measurement, measure(baseline, Options(), print))
    report([result], None, Path("evaluation"))        # evaluation.json and evaluation.html
    print(table([result]))

The modules: options.py, texts.py (what is read), serving.py and client.py (the product itself, over HTTP), positions.py,
answers.py, speed.py, sizes.py, enginelog.py, harness.py (one kind of figure each), measure.py, compare.py with metrics.py,
record.py (the JSON), page.py with chart.py (the HTML), table.py, run.py (the command).
"""

from __future__ import annotations

from quantize.evaluation.compare import Result, compare
from quantize.evaluation.measure import Measurement, measure
from quantize.evaluation.options import Options
from quantize.evaluation.report import report
from quantize.evaluation.table import table

__all__ = ["Measurement", "Options", "Result", "compare", "measure", "report", "table"]
