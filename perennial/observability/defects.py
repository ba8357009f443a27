"""What the SDK calls a warning and is an error: workflow code that cannot go on, an activity that fails by a defect.

Errors go to Sentry. A gateway or a database that is away is none: the activity waits for it and is run again.
"""

import logging

from temporalio.exceptions import ApplicationError

# By what the SDK logs each with.
_LOGGERS = ("temporalio.worker._workflow_instance", "temporalio.activity")
_KIND = "__temporal_error_identifier"
_RUN_STANDS_STILL, _ACTIVITY_FAILS = "WorkflowTaskFailure", "ActivityFailure"
# A database's errors are named by their type (`perennial/temporal/interceptors.py`): these are about our statement.
_OF_OUR_STATEMENTS = frozenset({"DataError", "IntegrityError", "InternalError", "ProgrammingError"})


def raise_levels() -> None:
    """Once a process; again does nothing more."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_raise_level)


def _raise_level(record: logging.LogRecord) -> bool:
    kind = record.__dict__.get(_KIND)
    if kind == _RUN_STANDS_STILL or (kind == _ACTIVITY_FAILS and _is_defect(record)):
        record.levelno, record.levelname = logging.ERROR, logging.getLevelName(logging.ERROR)
    return True


def _is_defect(record: logging.LogRecord) -> bool:
    """Errors that have a name of ours cross as an `ApplicationError` (`activities/errors.py`); all else is new."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ApplicationError) or error.type in _OF_OUR_STATEMENTS
