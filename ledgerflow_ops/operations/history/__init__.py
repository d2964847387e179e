"""The signed history of an environment: recording what was done, anchoring it in every location, auditing."""
