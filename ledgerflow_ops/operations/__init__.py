"""The verbs: each module does one thing an operator can ask for."""
