"""The verbs of `platebridge`, one module each."""
