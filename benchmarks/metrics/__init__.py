"""What the records say: latencies under three tools' definitions, goodput, the knee, noise."""
