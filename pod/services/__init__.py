"""The pod at work: what joins cameras, rules, gate and store."""
