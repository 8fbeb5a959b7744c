"""From pixels to plates: detector, recogniser, and the pipeline that joins them. onnxruntime lives here."""
