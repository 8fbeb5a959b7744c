"""How well models find and read plates: the arithmetic, the data sets, the report. Pure."""
