"""The gate: an interlock that asks, a guard process that pulses. Imports nothing: the guard stays small."""
