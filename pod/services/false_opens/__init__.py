"""How often the gate would open for a stranger: counted on real reads, modelled where that is too rare."""
