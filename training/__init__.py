"""Training: data sets, the loop, resume, metrics, ablation, DGL conversion."""
