"""ledgerflow_ops: backups that count only when they have been proven restorable."""
