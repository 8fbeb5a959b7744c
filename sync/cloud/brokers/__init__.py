"""Brokers between PODs and cloud: who may come in, what they may say, and how each broker is told so."""
