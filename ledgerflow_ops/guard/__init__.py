"""ledger_docker: judges a docker command line before the real docker runs it."""
