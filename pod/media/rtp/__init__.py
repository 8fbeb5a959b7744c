"""RTSP and RTP without input or output: bytes in, answers, packets and access units out."""
