"""The gateway: the only holder of secrets; who may do what, jobs, runs, tokens and the audit."""
