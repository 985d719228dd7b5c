"""Runs OCI bundles under a runtime and says what came out of it."""
