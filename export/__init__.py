"""A checkpoint becomes an artifact, and an artifact is read: ONNX, TorchScript, parity, golden values, manifest."""
