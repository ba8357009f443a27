"""The invariants of `perennial check`. Public surface: run them all, or some by name."""

from perennial.checks.registry import CHECKS, run_checks
from perennial.checks.result import Check, CheckResult, Finding

__all__ = ["CHECKS", "Check", "CheckResult", "Finding", "run_checks"]
