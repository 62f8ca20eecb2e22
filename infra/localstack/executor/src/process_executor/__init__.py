"""Runs functions of custom runtimes (`provided.*`) as processes of this computer, for LocalStack without Docker.

`environment` is an execution environment as Lambda knows it, and knows nothing of LocalStack; `executor` is what
LocalStack calls.
"""
