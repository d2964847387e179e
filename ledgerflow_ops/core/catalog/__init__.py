"""What is known of backups: names, manifests, proofs, pins and the index.

No decision to remove or restore belongs here.
"""
