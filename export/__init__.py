"""A checkpoint becomes an artifact: ONNX, TorchScript, parity, golden values."""
